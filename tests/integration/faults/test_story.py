"""What the ledger tells of a 5xx is what happened, in its order."""

from talaria.sandbox.faults import Faults
from tests.integration.faults.support_faults import harness
from tests.integration.faults.support_toxics import Toxic


async def test_every_call_of_a_request_lies_within_it() -> None:
    async with harness() as running:
        known, *strangers = running.sandbox.add_persons(5)
        assert (await running.get(known)).status == 200
        running.sandbox.talaria_services.faults = Faults(error_rate=1)
        for person in (known, known, *strangers):
            assert (await running.get(person)).status == 503
        running.sandbox.talaria_services.faults = Faults()
        await running.relays["talaria-services"].poison("answer", Toxic("reset"))
        assert (await running.get(known)).status == 502
        entries = (await running.ops("/5xx?last=1000")).json()["entries"]
        assert len(entries) == 7
        for entry in entries:
            spans = [(one["at_ms"], one["at_ms"] + one["ms"]) for one in entry["attempts"]]
            moments = [0.0, *(moment for span in spans for moment in span), entry["total_ms"]]
            assert moments == sorted(moments)
