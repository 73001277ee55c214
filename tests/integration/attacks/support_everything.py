"""Everything at once: travellers and fuzzers on one gateway, and what must hold of it."""

import asyncio
import time
from collections import Counter
from pathlib import Path

from tests.integration.attacks.support_crossing import WAYS, Crossroads, Traveller
from tests.integration.attacks.support_field import Field, field_in
from tests.integration.attacks.support_fuzz import Fuzzer
from tests.integration.attacks.support_seen import secrets_in

TRAVELLERS, FUZZERS = 8, 4
MUTATIONS_A_SECOND = 10_000 / 60
EXCHANGES_A_SECOND, SERVED_A_SECOND = 25 * len(WAYS) / 60, 1_000 / 60


async def everything_at_once(folder: Path, seconds: float) -> list[str]:
    """So many seconds of it; every request and every answer that was another person's, caller's or partner's.

    Raises AssertionError where too little was done for that to say anything, or a secret was printed.
    """
    async with field_in(Crossroads(folder), Crossroads.changes) as field:
        town = field.town
        assert isinstance(town, Crossroads)
        travellers = [Traveller(town, seed) for seed in range(TRAVELLERS)]
        fuzzers = [Fuzzer(field.gateway, town, seed) for seed in range(FUZZERS)]
        mutations = int(MUTATIONS_A_SECOND * seconds) // FUZZERS
        until = time.monotonic() + seconds
        await asyncio.gather(
            *(_keep_on(field, traveller, until) for traveller in travellers),
            *(fuzzer.run(mutations) for fuzzer in fuzzers),
        )
        await _enough_was_done(field, travellers, fuzzers, seconds)
        wrong = [*town.judge.wrong, *sum((traveller.wrong for traveller in travellers), list[str]())]
        wrong += sum((fuzzer.wrong for fuzzer in fuzzers), list[str]())
        wrong += ["a changed request was seen twice" for fuzzer in fuzzers if fuzzer.seen_at_most() > fuzzer.sent]
        return wrong


async def _keep_on(field: Field, traveller: Traveller, until: float) -> None:
    """One connection after another, until the time is over."""
    while time.monotonic() < until:
        async with field.gateway.connected() as client:
            while time.monotonic() < until and await traveller.travel(client):
                pass


async def _enough_was_done(field: Field, travellers: list[Traveller], fuzzers: list[Fuzzer], seconds: float) -> None:
    """It was worth the time: cold and warm, evictions, good and bad; and nothing of it was printed."""
    sent = sum(fuzzer.sent for fuzzer in fuzzers)
    statuses = sum((fuzzer.answers for fuzzer in fuzzers), Counter[str]())
    assert min(statuses["200"], statuses["400"], statuses["401"]) > sent // 100, statuses
    lines = field.gateway.lines()
    exchanges = Counter(line["exchange"] for line in lines if line["status"] == 200)
    assert min(exchanges["miss"], exchanges["hit"]) > EXCHANGES_A_SECOND * seconds, exchanges
    assert sum(traveller.served for traveller in travellers) > SERVED_A_SECOND * seconds
    assert [line for line in lines if line["status"] >= 500 and line["origin"] != "client"] == []
    assert not secrets_in(field.gateway.printed.read_bytes())
    assert not secrets_in((await field.gateway.operators("/metrics")).body)
