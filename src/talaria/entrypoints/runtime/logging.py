"""Start-up, shutdown and errors as JSON lines, in the form of the access log.

Rules of what a line holds:

1. A record of our own loggers (`talaria…`): its message as `event`, and each `extra` as a field.
2. A record of a third-party logger that is known: only the first line of the template, never its arguments. Of any
   other: that there was one. Libraries write URLs, headers and reprs there.
3. A traceback: files, lines, functions and types. The text of an exception only where its type is ours, or where
   the interpreter wrote it; what looks like a phone number, an e-mail address or a token is redacted even there.
"""

import json
import logging
import re
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, TextIO

from talaria.adapters.telemetry.line_writer import LineWriter
from talaria.adapters.telemetry.text_lines import text_line
from talaria.adapters.telemetry.timestamps import Timestamps

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_KNOWN_LIBRARIES = ("asyncio", "litestar", "uvicorn")
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
BUFFER_LIMIT = 256 * 1024


def _type_name(value: object) -> str:
    return f"<{type(value).__name__}>"


_JSON = json.JSONEncoder(default=_type_name, separators=(",", ":"))  # as the access lines are written
_REDACTED = re.compile(r"\+?\d{7,}|eyJ[\w.-]+|[^\s@]{1,64}@[^\s@]+")


def configure(
    stream: TextIO | None = None,
    *,
    as_text: bool = False,
    origin: Mapping[str, int | str] = MappingProxyType({}),
) -> None:
    """Send every logger's lines to `stream` (default: stdout), ours from INFO upwards, the others from WARNING.

    `origin` stands in each of them: the number of a `worker`, or which other `process` it is.
    """
    handler = _Handler(stream or sys.stdout)
    handler.setFormatter(TextLines(origin) if as_text else JsonLines(origin))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("talaria").setLevel(logging.INFO)
    for name in ("asyncio", "uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.WARNING)
    for name in _SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


class _Handler(logging.Handler):
    """Writes lines by a LineWriter: what is not taken at once goes with the next line.

    What the stream refuses, for its disk is full or its reader gone, goes to stderr.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._writer = _writer_to(stream)

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(Exception):  # where stderr fails too there is nowhere left to say it
            line = f"{self.format(record)}\n"
            try:
                _write(self._stream, self._writer, line)
            except Exception:
                if sys.stderr is not self._stream:
                    _write(sys.stderr, _writer_to(sys.stderr), line)


def _writer_to(stream: TextIO) -> LineWriter | None:
    """None where the stream is no file of the system's."""
    try:
        return LineWriter(stream.fileno(), BUFFER_LIMIT, _lost_line)
    except (OSError, ValueError):
        return None


def _write(stream: TextIO, writer: LineWriter | None, line: str) -> None:
    if writer is None:
        stream.write(line)
        return
    writer.add(line.encode())
    try:
        writer.flush()
    except OSError:
        writer.clear()
        raise


def _lost_line(count: int) -> bytes:
    fields = {"time": Timestamps().now(), "level": "warning", "event": "lines-dropped", "count": count}
    return _JSON.encode(fields).encode() + b"\n"


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, event, logger, origin, the extras; error and traceback of an exception."""

    def __init__(self, origin: Mapping[str, int | str] = MappingProxyType({})) -> None:
        super().__init__()
        self._origin = dict(origin)
        self._timestamp = Timestamps().now

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        return _JSON.encode(self.fields(record))

    def fields(self, record: logging.LogRecord) -> dict[str, Any]:
        """What the line says."""
        fields: dict[str, Any] = {
            "time": self._timestamp(),
            "level": record.levelname.lower(),
            "event": _event(record),
            "logger": record.name,
            **self._origin,
            **_extras(record),
        }
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            fields["error"] = _name(error)
            fields["traceback"] = "\n".join(trace(error))
        return fields


class TextLines(JsonLines):
    """The same for people: a line of text, and a traceback below it."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        fields = self.fields(record)
        trace = fields.pop("traceback", "")
        return f"{text_line(fields)}\n{trace}" if trace else text_line(fields)


def _is_ours(logger: str) -> bool:
    return logger.partition(".")[0] == "talaria"


def _event(record: logging.LogRecord) -> str:
    if _is_ours(record.name):
        return record.getMessage()
    if record.name.partition(".")[0] in _KNOWN_LIBRARIES:
        return _redact(str(record.msg).strip().partition("\n")[0])
    return "third-party log record"


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    if not _is_ours(record.name):
        return {}
    return {name: value for name, value in record.__dict__.items() if name not in _STANDARD}


def trace(error: BaseException) -> Iterator[str]:
    """What is told of an exception (rule 3): the frames, innermost last, and the exceptions that led here, first to
    last, as Python prints them.
    """
    for number, one in enumerate(_chain(error)):
        if number:
            yield "then:"
        for frame in traceback.extract_tb(one.__traceback__):
            yield f"  {frame.filename}:{frame.lineno} in {frame.name}"
        yield f"{_name(one)}: {_text(one)}"
        if isinstance(one, BaseExceptionGroup):
            for member in one.exceptions:
                yield from (f"  | {line}" for line in trace(member))


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
        return _redact(str(error))
    return "(text withheld)"


def _redact(text: str) -> str:
    return _REDACTED.sub("<redacted>", text)
