"""What the steps decide alike for every request of one token, on one route, from one peer to one host.

A flow is a result and never a rule: `Gateway.flow_of` makes it by running the steps, and it holds only while everything
that they looked at is as it was. A request under a flow that holds goes on as the steps would send it.

1. It holds for FLOW_SECONDS at most, so a pair in use counts as used in the cache that often.
2. It holds no longer than the caller's token, the service token's first half and the freshness of the pair, and not at
   a time of the wall clock before either token was taken: a clock that is set back makes none of them live longer.
3. It ends with any change of the caller's keys, and where its pair is dropped, or replaced by one of another user.
4. What is not the same for each request is no part of it: rate limits, the method, the target and the client's headers.
   So a trusted proxy's flow says nothing of the client behind it: `Gateway.forwarding` does, for each request.
"""

from dataclasses import dataclass, field
from typing import Final

from talaria.domain.events import FlowLabels
from talaria.domain.model import IdentityKey, KeyGeneration, PartnerUserId, Principal, Route
from talaria.domain.ports import Upstream
from talaria.domain.revocations import Revocation

FLOW_SECONDS: Final = 10.0


@dataclass(slots=True, eq=False)
class Flow:
    """`lines_before` and `lines_after` are our own header lines, those in front of the request id and those behind it.

    `methods` are those that it is for. `proxied`: its peer is a trusted proxy. `fresh_until` in monotonic seconds;
    `since`, `until` and `expires`, when the first of both tokens ends, in seconds since the epoch. `token` is the
    service token; no response may show it, nor any other of the `secrets`.
    """

    route: Route
    principal: Principal
    identity: IdentityKey
    user_id: PartnerUserId
    methods: frozenset[str]
    proxied: bool
    labels: FlowLabels
    upstream: Upstream
    lines_before: bytes = field(repr=False)
    lines_after: bytes = field(repr=False)
    token: bytes = field(repr=False)
    secrets: tuple[bytes, ...] = field(repr=False)
    fresh_until: float
    since: float
    until: float
    expires: float
    keys: KeyGeneration
    generation: int
    revocation: Revocation

    def holds(self, now: float, wall: float) -> bool:
        """Is everything as it was?"""
        return (
            now < self.fresh_until
            and self.since <= wall < self.until
            and not self.revocation.revoked
            and self.generation == self.keys.generation
        )
