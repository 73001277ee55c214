"""The JSON lines, and what never stands in one."""

import asyncio
import errno
import io
import json
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_mock import MockerFixture

from talaria.domain.errors import PartnerBadAnswer
from talaria.domain.model import PhoneNumber
from talaria.entrypoints.runtime import logging as logs
from tests.unit.adapters.telemetry.support_descriptors import fill

CANARY = "+4915112345678"
EMAIL = "anna+rides@mail.example"
TOKEN = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln"
LOGGERS = ("", "talaria", "asyncio", "httpx", "httpcore", "hpack", "h2", "uvicorn", "uvicorn.error", "uvicorn.access")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the lines go; the loggers are put back afterwards."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [(logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    stream = io.StringIO()
    logs.configure(stream)
    yield stream
    for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
        logger.handlers[:] = handlers
        logger.setLevel(level)
        logger.propagate = propagate


def said(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def fails(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def log_failure(error: BaseException, logger: str = "talaria.proxy") -> None:
    try:
        fails(error)()
    except BaseException:
        logging.getLogger(logger).exception("it failed", extra={"request_id": "r-1"})


def test_lines_can_be_text_for_people(stream: io.StringIO) -> None:
    logs.configure(stream, as_text=True)
    logging.getLogger("talaria").info("serving", extra={"public": "http://a", "what": object()})
    log_failure(ValueError(CANARY))
    serving, failed, *trace = stream.getvalue().splitlines()
    assert serving.endswith('  INFO     serving logger=talaria public=http://a what="<object>"')
    assert "request_id=r-1 error=ValueError" in failed
    assert trace[-1] == "ValueError: (text withheld)"
    assert CANARY not in stream.getvalue()


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), BrokenPipeError()])
def test_what_the_stream_does_not_take_is_said_on_stderr(
    stream: io.StringIO, mocker: MockerFixture, capsys: pytest.CaptureFixture[str], error: OSError
) -> None:
    mocker.patch.object(stream, "write", side_effect=error)
    logging.getLogger("talaria").info("serving")
    assert json.loads(capsys.readouterr().err)["event"] == "serving"


@pytest.mark.usefixtures("stream")
def test_a_reader_that_does_not_read_is_not_waited_for() -> None:
    reads, writes = os.pipe()
    with open(reads, "rb") as reader, open(writes, "w") as writer:
        filled = fill(writes)
        logs.configure(writer)
        logging.getLogger("talaria").info("said while it did not read")
        reader.read(filled)
        logging.getLogger("talaria").error("said when it did", extra={"long": "x" * 9000})
        os.set_blocking(reads, False)
        lines = reader.read().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["said while it did not read", "said when it did"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
@pytest.mark.usefixtures("stream")
def test_a_full_disk_is_said_on_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    with open("/dev/full", "w") as full:
        logs.configure(full)
        logging.getLogger("talaria").info("serving")
    assert json.loads(capfd.readouterr().err)["event"] == "serving"


def test_our_own_lines_have_the_form_of_the_access_log(stream: io.StringIO) -> None:
    logging.getLogger("talaria").info("serving", extra={"public": "http://127.0.0.1:8080", "workers": 2})
    (line,) = said(stream)
    assert list(line)[:4] == ["time", "level", "event", "logger"]
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "event": "serving",
        "logger": "talaria",
        "public": "http://127.0.0.1:8080",
        "workers": 2,
    }


def test_an_exception_stands_under_the_request_id(stream: io.StringIO) -> None:
    log_failure(TypeError("'int' object is not iterable"))
    (line,) = said(stream)
    assert line["request_id"] == "r-1"
    assert line["error"] == "TypeError"
    assert "test_logging.py:" in line["traceback"]
    assert " in fail\n" in line["traceback"]
    assert line["traceback"].endswith("TypeError: 'int' object is not iterable")


@pytest.mark.parametrize(
    "error",
    [
        ValueError(f"invalid literal: {CANARY!r}"),
        KeyError(CANARY),
        TypeError(f"bad {CANARY}, {EMAIL}"),
        PartnerBadAnswer(f"token {TOKEN}"),
        json.JSONDecodeError("bad", f'{{"phone": "{CANARY}"}}', 3),
        ExceptionGroup(f"several {CANARY}", [ValueError(CANARY), OSError(CANARY)]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_personal_data_of_an_exception_is_said(stream: io.StringIO, error: Exception) -> None:
    log_failure(error)
    assert CANARY not in stream.getvalue()
    assert "mail.example" not in stream.getvalue()
    assert "eyJ" not in stream.getvalue()
    assert type(error).__name__ in said(stream)[0]["error"]


def test_what_led_to_an_exception_is_said_without_its_text(stream: io.StringIO) -> None:
    try:
        try:
            fails(ValueError(CANARY))()
        except ValueError as cause:
            raise RuntimeError("the border") from cause
    except RuntimeError as error:
        log_failure(error)
    trace = said(stream)[0]["traceback"]
    assert trace.index("ValueError: (text withheld)") < trace.index("then:") < trace.index("RuntimeError: the border")
    assert CANARY not in stream.getvalue()


def test_a_chain_that_bites_its_tail_ends(stream: io.StringIO) -> None:
    first, second = RuntimeError("first"), RuntimeError("second")
    first.__cause__, second.__cause__ = second, first
    log_failure(first)
    assert said(stream)[0]["error"] == "RuntimeError"


def test_values_that_are_no_json_are_named_by_their_type(stream: io.StringIO) -> None:
    logging.getLogger("talaria").warning("odd", extra={"phone": PhoneNumber(CANARY), "text": "\ud800\n"})
    (line,) = said(stream)
    assert line["phone"] == "<PhoneNumber>"
    assert line["text"] == "\ud800\n"


@pytest.mark.parametrize("name", ["httpx", "httpcore.http11", "uvicorn.access"])
def test_what_writes_urls_is_silent(stream: io.StringIO, name: str) -> None:
    logging.getLogger(name).critical("HTTP Request: GET http://x/%s", CANARY)
    assert stream.getvalue() == ""


def test_an_unknown_library_is_not_quoted(stream: io.StringIO) -> None:
    logging.getLogger("another.package").error(f"could not parse {CANARY}")
    assert said(stream)[0]["event"] == "third-party log record"
    assert said(stream)[0]["logger"] == "another.package"


def test_uvicorn_is_translated(stream: io.StringIO) -> None:
    logging.getLogger("uvicorn.error").info("Started server process [%d]", 1)
    log_failure(ValueError(CANARY), "uvicorn.error")
    (line,) = said(stream)
    assert line["event"] == "it failed"
    assert "request_id" not in line


async def test_an_abandoned_task_is_said_without_its_repr(stream: io.StringIO) -> None:
    asyncio.get_running_loop().call_exception_handler(
        {"message": "Task exception was never retrieved", "exception": ValueError(CANARY), "phone": CANARY}
    )
    (line,) = said(stream)
    assert line["event"] == "Task exception was never retrieved"
    assert line["error"] == "ValueError"
    assert CANARY not in stream.getvalue()


def test_debug_says_no_more_of_libraries(stream: io.StringIO) -> None:
    logging.getLogger("talaria").setLevel(logging.DEBUG)
    logging.getLogger("talaria").debug("detail")
    logging.getLogger("asyncio").debug("Using selector: %s", CANARY)
    assert [line["event"] for line in said(stream)] == ["detail"]


def test_a_closed_stream_raises_nothing(stream: io.StringIO) -> None:
    stream.close()
    logging.getLogger("talaria").info("it goes nowhere")


@pytest.mark.usefixtures("stream")
def test_what_did_not_fit_is_counted() -> None:
    reads, writes = os.pipe()
    with open(reads, "rb") as reader, open(writes, "w") as writer:
        filled = fill(writes)
        logs.configure(writer)
        for _ in range(40):
            logging.getLogger("talaria").info("long", extra={"text": "x" * 9000})
        os.set_blocking(reads, False)
        said_then = b""
        for _ in range(20):
            said_then += reader.read() or b""
            logging.getLogger("talaria").info("short")
        said_then += reader.read() or b""
    lines = [json.loads(line) for line in said_then[filled:].splitlines()]
    kept = sum(line["event"] == "long" for line in lines)
    assert 0 < kept < 40
    assert [line["count"] for line in lines if line["event"] == "lines-dropped"] == [40 - kept]
