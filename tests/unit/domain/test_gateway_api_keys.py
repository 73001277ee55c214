"""Routes without identity, for callers with an API key; and callers that are bound to networks."""

from ipaddress import ip_network

import pytest

from talaria.domain.authorization import ApiKeys, NetworkAllowlist
from talaria.domain.errors import BadRequest, CallerNotAllowed, InvalidToken, MissingToken, Refusal
from talaria.domain.events import RequestContext
from talaria.domain.model import Principal
from talaria.testing import MemoryTokenVerifier
from tests.unit.domain.support_exchange import person
from tests.unit.domain.support_memory_gateway import API_KEY, UNKNOWN, Door, reply
from tests.unit.support_time import run

KEY = (b"x-api-key", b"k" * 32)


def door(networks: dict[str, list[str]] | None = None) -> Door:
    bound = {caller: [ip_network(one) for one in each] for caller, each in (networks or {}).items()}
    return Door(api_keys=ApiKeys({"jobs": [KEY[1]]}), networks=NetworkAllowlist(bound))


def test_an_api_key_serves_for_a_route_without_identity_and_no_id_is_exchanged() -> None:
    async def main() -> None:
        gate, context = door(), RequestContext()
        assert (await gate.knock(KEY, token=b"", tag=b"jobs", context=context)).status == 200
        sent = gate.sent()
        claims = gate.tokens.claims[sent[b"authorization"].removeprefix(b"Bearer ")]
        assert (claims.subject.reveal(), claims.caller, claims.tag) == ("jobs", "jobs", "jobs")
        assert not [name for name in sent if name.endswith(b"-user-id") or name == b"x-rider"]
        assert sent[b"x-api-key"] == API_KEY
        assert (context.caller, context.person, context.exchange, gate.world.calls) == ("jobs", "", None, (0, 0))

    run(main())


@pytest.mark.parametrize(
    ("headers", "refusal"),
    [
        ([], MissingToken),
        ([(b"x-api-key", b"")], InvalidToken),
        ([(b"x-api-key", b"K" * 32)], InvalidToken),
        ([KEY, KEY], BadRequest),
    ],
)
def test_another_key_does_not(headers: list[tuple[bytes, bytes]], refusal: type[Refusal]) -> None:
    async def main() -> None:
        gate, context = door(), RequestContext()
        with pytest.raises(refusal):
            await gate.knock(*headers, token=b"t-1", tag=b"jobs", context=context)
        assert (gate.upstream.received, context.phase, context.caller) == ([], "admission", "")

    run(main())


def test_a_token_does_not_replace_the_key_nor_a_key_the_token() -> None:
    async def main() -> None:
        gate = door()
        with pytest.raises(MissingToken):
            await gate.knock(token=b"t-1", tag=b"jobs")
        with pytest.raises(MissingToken):
            await gate.knock(KEY, token=b"", tag=b"wind")

    run(main())


def test_without_any_key_no_key_is_good() -> None:
    async def main() -> None:
        with pytest.raises(InvalidToken):
            await Door().knock(KEY, token=b"", tag=b"jobs")

    run(main())


def test_a_caller_with_a_key_uses_its_own_routes_alone() -> None:
    async def main() -> None:
        gate = Door(api_keys=ApiKeys({"batch": [KEY[1]]}))
        with pytest.raises(CallerNotAllowed):
            await gate.knock(KEY, token=b"", tag=b"jobs")

    run(main())


def test_an_unknown_user_of_a_route_without_identity_is_the_upstreams_own_response() -> None:
    async def main() -> None:
        gate, context = door(), RequestContext()
        gate.upstream.replies = [reply(404, UNKNOWN)]
        assert (await gate.knock(KEY, token=b"", tag=b"jobs", context=context)).status == 404
        assert (len(gate.upstream.received), context.identity_refreshed) == (1, False)

    run(main())


def test_a_bound_caller_calls_from_its_networks_alone() -> None:
    async def main() -> None:
        inside, outside = door({"app": ["203.0.113.0/24"]}), door({"app": ["198.51.100.0/24"]})
        assert (await inside.knock()).status == 200
        context = RequestContext()
        with pytest.raises(CallerNotAllowed):
            await outside.knock(context=context)
        assert (outside.world.calls, outside.upstream.received, context.caller) == ((0, 0), [], "app")
        assert (await outside.knock(token=b"t-web")).status == 200, "another caller is not bound"

    run(main())


def test_the_address_of_a_bound_caller_is_the_clients_and_not_the_proxys() -> None:
    async def main() -> None:
        gate = door({"app": ["203.0.113.0/24"]})
        passed = await gate.knock((b"x-forwarded-for", b"203.0.113.9"), peer="10.0.0.1")
        assert passed.status == 200
        with pytest.raises(CallerNotAllowed):
            await gate.knock((b"x-forwarded-for", b"192.0.2.9"), peer="10.0.0.1")

    run(main())


class Counted(MemoryTokenVerifier):
    """Counts what is verified."""

    verified = 0

    async def verify(self, token: bytes) -> Principal:
        self.verified += 1
        return await super().verify(token)


def test_a_token_that_is_recalled_is_not_verified() -> None:
    async def main() -> None:
        verifier = Counted({b"t-1": person()})
        gate = Door(verifier=verifier)
        await gate.knock()
        assert verifier.verified == 0
        verifier.gate.clear()
        gate.world.clock.call_later(0.1, verifier.gate.set)
        await gate.knock()
        assert verifier.verified == 1

    run(main())
