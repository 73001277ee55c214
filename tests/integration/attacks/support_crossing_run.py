"""Everything at once, for so long: good requests of every person by every way, and fuzzed ones beside them.

The tests run it for seconds, the soak (tests/soak) for a minute.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.integration.attacks.support_crossing import WAYS, Crossroads, Traveller
from tests.integration.attacks.support_field import Field, field_in
from tests.integration.attacks.support_fuzz import NO_METHOD, Fuzzer
from tests.integration.attacks.support_seen import secrets_in

TRAVELLERS, FUZZERS = 8, 4


async def run_crossing(folder: Path, seconds: float, mutations: int) -> list[str]:
    """What is wrong, in words: a request or a response of one person at another, or too little to tell.

    `mutations`: how many fuzzed requests are sent, also where they take longer than `seconds`.
    """
    async with field_in(Crossroads(folder), Crossroads.changes) as field:
        town = field.town
        assert isinstance(town, Crossroads)
        travellers = [Traveller(town, seed) for seed in range(TRAVELLERS)]
        fuzzers = [Fuzzer(field.gateway, town, seed) for seed in range(FUZZERS)]
        until = time.monotonic() + seconds
        await asyncio.gather(
            *(_keep_on(field, traveller, until) for traveller in travellers),
            *(fuzzer.run(mutations // FUZZERS) for fuzzer in fuzzers),
        )
        wrong = [*town.judge.wrong]
        wrong += [what for traveller in travellers for what in traveller.wrong]
        wrong += [what for fuzzer in fuzzers for what in fuzzer.wrong]
        wrong += [f"{fuzzer.sent} sent, more seen" for fuzzer in fuzzers if fuzzer.seen_at_most() > fuzzer.sent]
        wrong += _too_little(field, travellers, fuzzers, seconds)
        printed = field.gateway.printed.read_bytes() + (await field.gateway.operators("/metrics")).body
        return wrong + [f"printed: {secret!r}" for secret in secrets_in(printed)]


async def _keep_on(field: Field, traveller: Traveller, until: float) -> None:
    """One connection after another, until the time is over."""
    while time.monotonic() < until:
        async with field.gateway.connected() as client:
            while time.monotonic() < until and await traveller.travel(client):
                pass


def _too_little(
    field: Field, travellers: Sequence[Traveller], fuzzers: Sequence[Fuzzer], seconds: float
) -> Iterator[str]:
    """Cold and warm, evictions, good and bad: where there was too little of something, nothing was tried."""
    sent = sum(fuzzer.sent for fuzzer in fuzzers)
    statuses = sum((fuzzer.answers for fuzzer in fuzzers), Counter[str]())
    lines = field.gateway.lines()
    exchanges = Counter(line["exchange"] for line in lines if line["status"] == 200)
    counts = {
        **{
            f"fuzzed requests answered with {status}": (statuses[status], sent / 100)
            for status in ("200", "400", "401")
        },
        **{f"exchanges, {result}": (exchanges[result], 0.4 * seconds * len(WAYS)) for result in ("miss", "hit")},
        "good requests": (sum(traveller.served for traveller in travellers), 16 * seconds),
    }
    yield from (f"only {count} {what}" for what, (count, least) in counts.items() if count <= least)
    failed = [line for line in lines if line["status"] >= 500 and line["reason"] != NO_METHOD]
    yield from (f"{line['status']} {line['reason']}" for line in failed)
