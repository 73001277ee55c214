"""Once a second: what has waited for too long, a client that does not read, a client that has disconnected."""

from collections.abc import Awaitable, Callable

import pytest

from tests.unit.entrypoints.public.server.support_server import LIMITS, Harness, get, post

CLOSE = (b"connection", b"close")
SLOW_HEAD = [(499, "client-gone", "slow with its head")]
HEAD, KEPT = LIMITS.header_timeout, LIMITS.keepalive_timeout


async def test_a_kept_connection_has_its_time() -> None:
    harness = Harness()
    await harness.feed(get("/"))
    harness.enforce_timeouts(100)
    await harness.answer()
    harness.enforce_timeouts(KEPT - 1)
    assert harness.transport.ended == ""
    harness.enforce_timeouts(KEPT + 1)
    assert harness.transport.ended == "closed"


async def test_a_head_has_its_time_after_an_earlier_answer_and_none_during_it() -> None:
    harness = Harness()
    await harness.feed(get("/") + b"GET /2 HTT")
    harness.enforce_timeouts(100)
    assert harness.transport.ended == ""
    await harness.answer()
    harness.enforce_timeouts(HEAD - 1)
    assert harness.transport.ended == ""
    harness.enforce_timeouts(HEAD + 1)
    assert (harness.transport.ended, harness.cut_off) == ("closed", SLOW_HEAD)


@pytest.mark.parametrize(("arrived", "noted"), [(b"", []), (b"\r\n", []), (b"G", [1]), (b"GET / HTTP/1.1\r\n", [1])])
async def test_a_slow_head_is_noted_and_a_connection_without_one_is_not(arrived: bytes, noted: list[int]) -> None:
    harness = Harness()
    await harness.feed(arrived)
    harness.enforce_timeouts(HEAD - 1)
    assert harness.transport.ended == ""
    harness.enforce_timeouts(HEAD + 1)
    assert (harness.transport.ended, harness.cut_off) == ("closed", SLOW_HEAD * len(noted))
    assert harness.transport.written == b""


async def test_a_refused_head_is_not_noted_a_second_time() -> None:
    harness = Harness()
    await harness.feed(b"GET / HTTP/1.1\r\nnonsense\r\n")
    assert len(harness.refused) == 1
    harness.enforce_timeouts(HEAD + 1)
    assert (harness.aborted, harness.cut_off) == (True, [])


async def test_a_closed_connection_that_is_not_read_is_cut_off() -> None:
    harness = Harness()
    await harness.feed(get("/"))
    await harness.stuck()
    await harness.answer(b"", CLOSE)
    for later in (0, KEPT - 1):
        harness.enforce_timeouts(later)
    assert not harness.aborted
    harness.enforce_timeouts(KEPT + 1)
    assert harness.aborted


async def test_queued_requests_of_a_client_that_reads_nothing_are_cut_off() -> None:
    harness = Harness()
    await harness.feed(get("/1") + get("/2"))
    await harness.stuck()
    await harness.answer()
    harness.enforce_timeouts(0)
    harness.enforce_timeouts(KEPT - 1)
    assert not harness.aborted
    harness.enforce_timeouts(KEPT + 1)
    assert harness.aborted


async def _last_answer(harness: Harness) -> None:
    await harness.feed(get("/"))
    await harness.stuck()
    await harness.answer(b"", CLOSE)


async def _answer_before_the_end_of_its_request(harness: Harness) -> None:
    await harness.feed(post("/", b"hello")[:-1])
    await harness.stuck()
    await harness.answer()


async def _answer_before_another_request(harness: Harness) -> None:
    await harness.feed(get("/1") + get("/2"))
    await harness.stuck()
    await harness.answer()


SLOW = [_last_answer, _answer_before_the_end_of_its_request, _answer_before_another_request]


@pytest.mark.parametrize("answered", SLOW)
async def test_a_slow_reader_is_not_cut_off_while_it_reads(answered: Callable[[Harness], Awaitable[None]]) -> None:
    harness = Harness()
    await answered(harness)
    for second in range(60):
        harness.transport.unsent -= 1000
        harness.enforce_timeouts(second)
    assert not harness.aborted
    harness.enforce_timeouts(60 + KEPT)
    assert harness.aborted


async def test_what_was_served_for_long_and_is_closed_has_its_time_to_be_read() -> None:
    """Over TLS it can't be seen how much is unsent."""
    harness = Harness()
    await harness.feed(get("/"))
    harness.connection._since -= 1000
    await harness.answer(b"", CLOSE)
    harness.enforce_timeouts(1)
    assert harness.transport.ended == "closed"
