"""Bodies of requests: what is written, when it stops, and which error it is."""

import asyncio
import contextlib
import errno
import os
import socket
import threading
from collections.abc import AsyncIterator

import pytest

from talaria.adapters.http1.errors import BodyLengthMismatch, ReadTimeout, WriteTimeout
from talaria.adapters.http1.request_body import JOINED_AT_MOST, BodyWriter, PendingResponseReader
from talaria.domain.errors import ClientGone
from talaria.domain.http import UpstreamResponse
from tests.unit.adapters.http1.support_http1 import Harness

EARLY = b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno"


async def _pieces(*pieces: bytes | BaseException) -> AsyncIterator[bytes]:
    for piece in pieces:
        if isinstance(piece, BaseException):
            raise piece
        yield piece


async def _endless(piece: bytes) -> AsyncIterator[bytes]:
    while True:
        yield piece


async def _silent(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
    await asyncio.Event().wait()


async def _pieces_until(last: asyncio.Event, *pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
    await last.wait()


def _begin(
    harness: Harness, body: AsyncIterator[bytes], length: int | None, idle_timeout: float = 60.0
) -> "asyncio.Future[UpstreamResponse]":
    return harness.connection.begin(b"HEAD|", False, harness.loop.time() + 60, idle_timeout, BodyWriter(body, length))


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_small_body_leaves_with_its_head() -> None:
    harness = Harness()
    future = _begin(harness, _pieces(b"hello"), 5)
    await _settle()
    assert (harness.transport.written, harness.transport.writes) == (b"HEAD|hello", 1)
    harness.feed(EARLY)
    assert future.result().status == 413
    assert harness.idle == 1


async def test_a_large_body_does_not_hold_its_head_back() -> None:
    harness = Harness()
    _begin(harness, _silent(), JOINED_AT_MOST + 1)
    assert harness.transport.written == b"HEAD|"
    harness.connection.connection_lost(None)


async def test_a_body_of_unknown_length_is_chunked_and_empty_pieces_do_not_end_it() -> None:
    harness = Harness()
    _begin(harness, _pieces(b"", b"hello", b"", b"x" * 16), None)
    await _settle()
    assert harness.transport.written == b"HEAD|5\r\nhello\r\n10\r\n" + b"x" * 16 + b"\r\n0\r\n\r\n"


async def test_an_empty_body_of_known_length() -> None:
    harness = Harness()
    _begin(harness, _pieces(), 0)
    await _settle()
    assert harness.transport.written == b"HEAD|"


@pytest.mark.parametrize(("length", "pieces"), [(3, [b"ab"]), (3, []), (1, [b"ab"]), (2, [b"ab", b"c"])])
async def test_a_body_of_another_length_ends_the_connection(length: int, pieces: list[bytes]) -> None:
    harness = Harness()
    future = _begin(harness, _pieces(*pieces), length)
    with pytest.raises(BodyLengthMismatch):
        await future
    assert (harness.transport.ended, harness.forgotten) == ("aborted", 1)
    assert len(harness.transport.written) <= len(b"HEAD|") + length


@pytest.mark.parametrize("length", [None, 10])
async def test_what_the_body_raises_passes_unchanged(length: int | None) -> None:
    harness = Harness()
    gone = ClientGone()
    future = _begin(harness, _pieces(b"a", gone), length)
    with pytest.raises(ClientGone) as caught:
        await future
    assert caught.value is gone
    assert (harness.transport.ended, harness.forgotten) == ("aborted", 1)


async def test_an_early_answer_stops_the_upload_and_the_connection_is_not_used_again() -> None:
    harness = Harness()
    future = _begin(harness, _silent(b"a"), None)
    await _settle()
    harness.feed(EARLY)
    assert (await future).complete_body == b"no"
    assert (harness.idle, harness.forgotten) == (0, 1)


async def test_an_answer_to_a_complete_body_keeps_the_connection_though_the_body_has_not_said_its_end() -> None:
    harness = Harness()
    future = _begin(harness, _silent(b"hello"), 5)
    await _settle()
    harness.feed(EARLY)
    assert (await future).complete_body == b"no"
    assert harness.idle == 1


async def test_an_early_response_with_a_body_that_goes_on_is_read_to_its_end() -> None:
    harness = Harness()
    future = _begin(harness, _silent(b"a"), None)
    await _settle()
    harness.feed(EARLY[:-1])
    harness.feed(EARLY[-1:])
    assert b"".join([chunk async for chunk in (await future).body]) == b"no"
    assert (harness.idle, harness.forgotten) == (0, 1)


async def test_what_is_written_but_not_sent_does_not_linger() -> None:
    harness = Harness()
    _begin(harness, _silent(b"a"), None)
    await _settle()
    harness.transport.unsent = 100
    harness.feed(EARLY)
    assert harness.transport.ended == "aborted"


async def test_a_transport_that_holds_enough_stops_the_upload_until_it_takes_more() -> None:
    harness = Harness()
    _begin(harness, _endless(b"x"), None)
    harness.connection.pause_writing()
    await _settle()
    before = harness.transport.writes
    await _settle()
    assert harness.transport.writes == before
    harness.connection.resume_writing()
    harness.connection.pause_writing()
    await _settle()
    assert harness.transport.writes == before + 1
    harness.connection.connection_lost(None)


async def test_a_peer_that_does_not_take_a_body_is_late_after_the_idle_timeout() -> None:
    harness = Harness()
    future = harness.connection.begin(b"HEAD|", False, harness.loop.time() + 60, 0.005, BodyWriter(_silent(b"a"), None))
    harness.connection.pause_writing()
    with pytest.raises(WriteTimeout):
        await future


async def test_time_in_which_a_body_is_awaited_is_not_the_peers() -> None:
    """Neither the idle timeout nor that of the head begins before its last byte; then it has all of its time."""
    harness = Harness()
    last = asyncio.Event()
    future = harness.connection.begin(
        b"HEAD|", False, harness.loop.time() + 0.02, 0.005, BodyWriter(_pieces_until(last, b"a"), None)
    )
    done, _ = await asyncio.wait([future], timeout=0.05)
    assert not done
    last.set()
    with pytest.raises(ReadTimeout):
        await future


@pytest.mark.parametrize("length", [1, 100_000, None])
async def test_after_a_body_the_head_has_its_time(length: int | None) -> None:
    harness = Harness()
    body = BodyWriter(_pieces(b"x" * (length or 10)), length)
    future = harness.connection.begin(b"HEAD|", False, harness.loop.time() + 0.02, 60.0, body)
    with pytest.raises(ReadTimeout):
        await future


async def test_after_a_complete_body_only_the_head_has_a_deadline() -> None:
    harness = Harness()
    future = _begin(harness, _pieces(b"a"), None, idle_timeout=0.005)
    done, _ = await asyncio.wait([future], timeout=0.03)
    assert not done
    harness.feed(EARLY)
    assert (await future).status == 413


async def test_giving_up_stops_the_upload() -> None:
    harness = Harness()
    future = _begin(harness, _endless(b"x"), None)
    harness.connection.pause_writing()
    await _settle()
    harness.connection.abandon(future)
    await _settle()
    assert harness.transport.ended == "aborted"
    assert len(asyncio.all_tasks()) == 1


async def test_a_body_that_never_waits_lets_others_run() -> None:
    harness = Harness()
    _begin(harness, _endless(b"x" * 1024), None)
    turns = 0
    while harness.transport.writes < 1000:
        await asyncio.sleep(0)
        turns += 1
    assert turns > 5, "a turn for each 128 KiB"
    harness.connection.connection_lost(None)


async def test_a_connection_that_ends_leaves_no_timer() -> None:
    harness = Harness()
    future = harness.begin()
    harness.connection.abandon(future)
    harness.connection.resume_writing()
    assert harness.connection._deadline._timer is None


async def test_an_upload_that_is_over_lets_its_second_handle_go() -> None:
    ours, theirs = socket.socketpair()
    harness = Harness(sock=ours)
    future = _begin(harness, _silent(b"a"), None)
    await _settle()
    (before,) = {harness.connection._pending_response}
    assert before is not None
    harness.feed(EARLY)
    await future
    assert harness.connection._pending_response is None
    with pytest.raises(OSError, match="Bad file descriptor"):
        before.close()
    ours.close()
    theirs.close()


class _Socket:
    """A socket as a transport shows it: a number, or -1."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        return self._fd


class _Transport(asyncio.Transport):
    """A transport with this socket, and TLS or not."""

    def __init__(self, sock: _Socket | None, *, tls: bool = False) -> None:
        super().__init__({"socket": sock} | ({"ssl_object": object()} if tls else {}))


async def test_what_a_peer_said_before_it_closed_can_be_read_from_a_second_handle() -> None:
    reading, writing = os.pipe()
    pending = PendingResponseReader.of(_Transport(_Socket(reading)))
    assert pending is not None
    os.close(reading)
    os.write(writing, b"x" * 60_000)
    os.close(writing)
    assert pending.read() == b"x" * 60_000
    assert pending.read() == b""
    pending.close()
    assert pending.read() == b"", "a handle that is closed has nothing to say"
    with pytest.raises(OSError, match="Bad file descriptor"):
        pending.close()


async def test_an_endless_response_is_read_in_part() -> None:
    reading, writing = os.pipe()
    pending = PendingResponseReader(reading)
    thread = threading.Thread(target=_write_all, args=(writing, b"x" * 300_000))
    thread.start()
    assert 64 * 1024 <= len(pending.read()) < 2 * 64 * 1024
    pending.close()
    thread.join()


def _write_all(fd: int, data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), open(fd, "wb") as pipe:
        pipe.write(data)


def test_without_a_plain_socket_there_is_no_second_handle(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    for transport in (_Transport(None), _Transport(_Socket(-1)), _Transport(_Socket(reading), tls=True)):
        assert PendingResponseReader.of(transport) is None

    def full(_: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "dup", full)
    assert PendingResponseReader.of(_Transport(_Socket(reading))) is None
    monkeypatch.undo()
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize("length", [None, 4])
async def test_a_body_is_complete_with_its_last_byte(length: int | None) -> None:
    body = BodyWriter(_pieces(b"ab", b"", b"cd"), length)
    seen = [(piece, body.complete) async for piece in body.pieces(b"HEAD|")]
    if length is None:
        assert seen == [(b"HEAD|2\r\nab\r\n", False), (b"2\r\ncd\r\n", False), (b"0\r\n\r\n", True)]
    else:
        assert seen == [(b"HEAD|ab", False), (b"cd", True)]


async def test_a_body_that_says_nothing_still_has_a_head_and_an_end() -> None:
    assert [piece async for piece in BodyWriter(_pieces(), None).pieces(b"HEAD|")] == [b"HEAD|0\r\n\r\n"]
    assert [piece async for piece in BodyWriter(_pieces(b"", b""), 0).pieces(b"HEAD|")] == [b"HEAD|"]
