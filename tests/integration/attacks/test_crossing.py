"""A minute of everything at once: no request and no answer of one person, caller or partner is ever another's."""

import asyncio
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.integration.attacks.support_crossing import WAYS, Crossroads, Traveller
from tests.integration.attacks.support_field import Field, field_in
from tests.integration.attacks.support_fuzz import Fuzzer
from tests.integration.attacks.support_seen import secrets_in

SECONDS = 60.0
TRAVELLERS, FUZZERS, MUTATIONS = 8, 4, 10_000


async def keep_on(field: Field, traveller: Traveller, until: float) -> None:
    """One connection after another, until the time is over."""
    while time.monotonic() < until:
        async with field.gateway.connected() as client:
            while time.monotonic() < until and await traveller.travel(client):
                pass


@pytest.mark.timeout(240)
async def test_no_crossing_in_a_minute_of_everything(tmp_path: Path) -> None:
    async with field_in(Crossroads(tmp_path), Crossroads.changes) as field:
        town = field.town
        assert isinstance(town, Crossroads)
        travellers = [Traveller(town, seed) for seed in range(TRAVELLERS)]
        fuzzers = [Fuzzer(field.gateway, town, seed) for seed in range(FUZZERS)]
        until = time.monotonic() + SECONDS
        await asyncio.gather(
            *(keep_on(field, traveller, until) for traveller in travellers),
            *(fuzzer.run(MUTATIONS // FUZZERS) for fuzzer in fuzzers),
        )
        wrong = [*town.judge.wrong, *sum((traveller.wrong for traveller in travellers), list[str]())]
        wrong += sum((fuzzer.wrong for fuzzer in fuzzers), list[str]())
        assert wrong == []
        assert not [fuzzer for fuzzer in fuzzers if fuzzer.seen_at_most() > fuzzer.sent]
        await enough_was_done(field, travellers, fuzzers)


async def enough_was_done(field: Field, travellers: list[Traveller], fuzzers: list[Fuzzer]) -> None:
    """The minute was worth it: cold and warm, evictions, good and bad; and nothing of it was said aloud."""
    assert sum(fuzzer.sent for fuzzer in fuzzers) == MUTATIONS
    statuses = sum((fuzzer.answers for fuzzer in fuzzers), Counter[str]())
    assert min(statuses["200"], statuses["400"], statuses["401"]) > MUTATIONS // 100, statuses
    lines = field.gateway.lines()
    exchanges = Counter(line["exchange"] for line in lines if line["status"] == 200)
    assert exchanges["miss"] > 25 * len(WAYS), exchanges
    assert exchanges["hit"] > 25 * len(WAYS), exchanges
    assert sum(traveller.served for traveller in travellers) > 1_000
    assert [line for line in lines if line["status"] >= 500] == []
    assert not secrets_in(field.gateway.printed.read_bytes())
    assert not secrets_in((await field.gateway.operators("/metrics")).body)
