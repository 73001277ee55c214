"""The supervisor's part of the control connections: one end of a socket pair for each process, and the routing.

It looks at the address of a frame and nothing else of it (see ops/control.py). Everything here is non-blocking: a
process that reads nothing keeps its own frames waiting and no others.
"""

import selectors
import socket
from collections.abc import Callable
from contextlib import suppress

from talaria.entrypoints.ops.control import BACKLOG_LIMIT, ELDEST, SIBLINGS, SUPERVISOR, FrameReader, frame

_RECEIVED_AT_MOST = 256 * 1024


class _Peer:
    """The supervisor's end of the pair of one process."""

    def __init__(self, number: int, end: socket.socket) -> None:
        self.number = number
        self.end = end
        self.reader = FrameReader()
        self.waiting = bytearray()


class ControlHub:
    """Routes frames between processes. `workers`: the numbers of those that SIBLINGS reaches.

    `on_heartbeat` gets the number of a process, and its payload.
    """

    def __init__(self, workers: frozenset[int], on_heartbeat: Callable[[int, bytes], None]) -> None:
        self._workers = workers
        self._on_heartbeat = on_heartbeat
        self._selector = selectors.PollSelector()  # it has no state in the kernel that a fork would share
        self._peers: dict[int, _Peer] = {}

    def watch(self, descriptor: int, on_readable: Callable[[], None]) -> None:
        """`poll` calls this too when this descriptor can be read."""
        self._selector.register(descriptor, selectors.EVENT_READ, on_readable)

    def connect(self, number: int) -> socket.socket:
        """A new pair for the process of this number; its end, for the child that is about to be forked."""
        self.disconnect(number)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        peer = self._peers[number] = _Peer(number, ours)
        self._selector.register(ours, selectors.EVENT_READ, peer)
        return theirs

    def disconnect(self, number: int) -> None:
        """The process of this number has ended."""
        peer = self._peers.pop(number, None)
        if peer is not None:
            self._selector.unregister(peer.end)
            peer.end.close()

    def close(self) -> None:
        """For a child after the fork: let go of everything that is the supervisor's."""
        for number in list(self._peers):
            self.disconnect(number)

    def poll(self, timeout: float) -> None:
        """Pass on what comes within `timeout` seconds, or has come."""
        for key, events in self._selector.select(timeout):
            if isinstance(key.data, _Peer):
                if events & selectors.EVENT_WRITE:
                    self._flush(key.data)
                if events & selectors.EVENT_READ:
                    self._receive(key.data)
            else:
                key.data()

    def send(self, number: int, sender: int, payload: bytes) -> None:
        """Send a frame to one process; dropped where there is none, or where too much waits for it already."""
        peer = self._peers.get(number)
        if peer is None or len(peer.waiting) > BACKLOG_LIMIT:
            return
        idle = not peer.waiting
        peer.waiting += frame(sender, payload)
        if idle:
            self._flush(peer)

    def _receive(self, peer: _Peer) -> None:
        try:
            data = peer.end.recv(_RECEIVED_AT_MOST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.disconnect(peer.number)
        for receiver, payload in peer.reader.feed(data):
            self._route(peer.number, receiver, payload)

    def _route(self, sender: int, receiver: int, payload: bytes) -> None:
        if receiver == SUPERVISOR:
            self._on_heartbeat(sender, payload)
            return
        for number in self._numbers(receiver, sender):
            self.send(number, sender, payload)

    def _numbers(self, receiver: int, sender: int) -> list[int]:
        """The processes that an address means. Workers are in the order in which they were connected, eldest first."""
        others = [number for number in self._peers if number in self._workers and number != sender]
        return {SIBLINGS: others, ELDEST: others[:1]}.get(receiver, [receiver])

    def _flush(self, peer: _Peer) -> None:
        with suppress(OSError):  # full, or gone: then reading says so
            sent = peer.end.send(peer.waiting)
            del peer.waiting[:sent]
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if peer.waiting else 0)
        self._selector.modify(peer.end, wanted, peer)
