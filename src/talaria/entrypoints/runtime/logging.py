"""Start-up, shutdown and errors as JSON lines, in the form of the access log.

The law of what may be said:

1. Our own loggers (`talaria…`) say their message as `event`, and each `extra` as a field of the line.
2. Of a foreign logger that we know, only the first line of the template is said, never its arguments; of any other,
   nothing but that it spoke. Libraries write URLs, headers and reprs there.
3. A traceback says files, lines, functions and types. The text of an exception is said only where its type is ours or
   one whose text comes from the interpreter; what looks like a number of a phone or a token is blotted out even there.
"""

import json
import logging
import os
import re
import select
import stat
import sys
import traceback
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, TextIO

from talaria.adapters.telemetry.access_log import Timestamps

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_TEMPLATES_SAID = ("asyncio", "litestar", "uvicorn")
_SILENT = ("httpx", "httpcore", "hpack", "h2", "uvicorn.access")
_PLAIN_MODULES = frozenset({"builtins", "socket", "ssl"})
_PLAIN_TYPES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    IndexError,
    NameError,
    OSError,
    RuntimeError,
    TypeError,
)
_WAITING_AT_MOST = 256 * 1024
_BLOTTED = re.compile(r"\+?\d{7,}|eyJ[\w.-]+")


def configure(stream: TextIO | None = None, *, level: str = "INFO") -> None:
    """Send every logger's lines to `stream` (default: stdout), ours from `level` upwards, the others from WARNING."""
    handler = _Handler(stream or sys.stdout)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("talaria").setLevel(level)
    for name in ("asyncio", "uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.WARNING)
    for name in _SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def never_wait_for(descriptor: int) -> None:
    """Where it is a pipe, have it again as a file of our own that does not wait, and leave that of others as it is.

    For who is not alone on it: another may fill it between our look and our writing.
    """
    with suppress(OSError):
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            own = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK)
            os.dup2(own, descriptor)
            os.close(own)


class _Handler(logging.StreamHandler[TextIO]):
    """Writes lines, and waits for nobody: what a pipe does not take at once goes with the next line.

    What the stream refuses goes to stderr: its disk is full, or its reader gone. That hurts nobody.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._waiting = b""

    def emit(self, record: logging.LogRecord) -> None:
        """Never waits: the event loop says this, and whoever reads may have stopped reading."""
        descriptor = _descriptor_of(self.stream)
        if descriptor is None:
            super().emit(record)
            return
        try:
            line = self._line(record)
            if len(self._waiting) + len(line) <= _WAITING_AT_MOST:
                self._waiting += line
            self._waiting = self._waiting[_write(descriptor, self._waiting) :]
        except Exception:
            self._waiting = b""
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Where stderr fails too there is nowhere left to say it."""
        if sys.stderr is None or self.stream is sys.stderr:
            return
        with suppress(Exception):
            descriptor = _descriptor_of(sys.stderr)
            if descriptor is not None:
                _write(descriptor, self._line(record))
            else:
                sys.stderr.write(self._line(record).decode())

    def _line(self, record: logging.LogRecord) -> bytes:
        return f"{self.format(record)}\n".encode()


def _descriptor_of(stream: TextIO) -> int | None:
    """None where it is no file of the system's."""
    try:
        return stream.fileno()
    except (OSError, ValueError):
        return None


def _write(descriptor: int, data: bytes) -> int:
    """As much as is taken without waiting, in pieces that a pipe takes whole."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    written = 0
    while written < len(data) and poll.poll(0):
        try:
            written += os.write(descriptor, data[written : written + select.PIPE_BUF])
        except BlockingIOError:
            break
    return written


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, event, logger, the extras, and for an exception error and traceback."""

    def __init__(self) -> None:
        super().__init__()
        self._timestamp = Timestamps().now

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        fields: dict[str, Any] = {
            "time": self._timestamp(),
            "level": record.levelname.lower(),
            "event": _event(record),
            "logger": record.name,
            **_extras(record),
        }
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            fields["error"] = _name(error)
            fields["traceback"] = "\n".join(_trace(error))
        return json.dumps(fields, default=_only_its_type)


def _is_ours(logger: str) -> bool:
    return logger.partition(".")[0] == "talaria"


def _event(record: logging.LogRecord) -> str:
    if _is_ours(record.name):
        return record.getMessage()
    if record.name.partition(".")[0] in _TEMPLATES_SAID:
        return _blot(str(record.msg).strip().partition("\n")[0])
    return "a library spoke"


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    if not _is_ours(record.name):
        return {}
    return {name: value for name, value in record.__dict__.items() if name not in _STANDARD}


def _only_its_type(value: object) -> str:
    return f"<{type(value).__name__}>"


def _trace(error: BaseException) -> Iterator[str]:
    """The frames, innermost last, and the exceptions that led here, first to last, as Python prints them."""
    for number, one in enumerate(_chain(error)):
        if number:
            yield "then:"
        for frame in traceback.extract_tb(one.__traceback__):
            yield f"  {frame.filename}:{frame.lineno} in {frame.name}"
        yield f"{_name(one)}: {_text(one)}"
        if isinstance(one, BaseExceptionGroup):
            for member in one.exceptions:
                yield from (f"  | {line}" for line in _trace(member))


def _chain(error: BaseException) -> list[BaseException]:
    chain: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and one not in chain:
        chain.append(one)
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
    return chain[::-1]


def _name(error: BaseException) -> str:
    kind = type(error)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _text(error: BaseException) -> str:
    module = type(error).__module__
    if _is_ours(module) or (module in _PLAIN_MODULES and isinstance(error, _PLAIN_TYPES)):
        return _blot(str(error))
    return "(text withheld)"


def _blot(text: str) -> str:
    return _BLOTTED.sub("<blotted>", text)
