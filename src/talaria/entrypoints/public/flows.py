"""The flows of one listener, each kept under what it is for."""

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Final

from talaria.domain.flow import Flow
from talaria.domain.http import ClientRequest
from talaria.domain.memo import BoundedMemo

_FLOWS: Final = 4096

_FlowKey = tuple[bytes, bytes, bytes, str, str]
"""The caller's token by its SHA-256, the tag, the host, the peer and the scheme."""


class Flows:
    """Those that `flow_of` makes (`Gateway.flow_of`). `wall` gives seconds since the epoch."""

    def __init__(self, flow_of: Callable[[ClientRequest], Flow | None], wall: Callable[[], float]) -> None:
        self._flow_of = flow_of
        self._wall = wall
        self._known: BoundedMemo[_FlowKey, Flow] = BoundedMemo(_FLOWS)

    def find(self, token: bytes, read: Mapping[bytes, bytes], peer: str, scheme: str, now: float) -> Flow | None:
        """One that holds, where there is one now, for this token and peer. `read` has the host and the tag."""
        tag, host = read.get(b"x-api-tag", b""), read.get(b"host", b"")
        key = (sha256(token).digest(), tag, host, peer, scheme)
        flow = self._known.get(key)
        if flow is not None and flow.holds(now, self._wall()):
            return flow
        headers = [(b"host", host), (b"x-api-tag", tag), (b"authorization", b"Bearer " + token)]
        flow = self._flow_of(ClientRequest("", b"", headers, peer=peer, scheme=scheme))
        return None if flow is None else self._known.remember(key, flow)
