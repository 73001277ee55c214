"""A gateway without processes, for the tests of the operators' application."""

from talaria.adapters.auth.key_rotation import KeyUse
from talaria.adapters.telemetry.failure_log import AttemptRecord, FailureRecord, FailureRecords
from talaria.adapters.telemetry.tallies import Labels, Tallies, summed
from talaria.domain.model import PersonalPhoneId
from talaria.entrypoints.ops.admin import Overview, Process
from talaria.entrypoints.ops.answers import ConfigurationInForce
from talaria.entrypoints.ops.readiness import Configured, Dependency, Readiness, RouteReadiness


def failure_record(request_id: str = "r-1") -> FailureRecord:
    return FailureRecord(
        time="2026-11-18T12:00:00.123Z",
        request_id=request_id,
        trace_id="t-1",
        tag="wind",
        caller="app",
        method="GET",
        status=502,
        reason="partner-unreachable",
        origin="partner",
        cause="refused",
        phase="exchange",
        exchange="failed",
        healed=False,
        total_ms=750.0,
        upstream_ms=0.0,
        attempts=[AttemptRecord("wind", 50.0, 250.0, "refused")],
        breakers={"wind": "open"},
    )


KEYS = [KeyUse("2026-11", "ES256", True, 1000.0, 2060.0), KeyUse("2026-12", "ES256", False, 2000.0, 0.0)]


class MemoryAdmin:
    """The GatewayAdmin of no process. `failures`: the newest first. `broken`: no worker answers an order."""

    def __init__(self) -> None:
        self.draining = False
        self.answered = 2
        self.trouble = Dependency("wind", "closed")
        self.failures: list[FailureRecord] = []
        self.kept = {("wind", "app", PersonalPhoneId("ppid-canary/7a%2F")), ("wind", "app", PersonalPhoneId("b"))}
        self.broken = self.fails = False
        self.requests = 0
        self.level = "info"
        self.configured: Configured | None = None

    async def overview(self) -> Overview:
        if self.fails:
            raise ValueError("ppid-canary")
        route = RouteReadiness("wind", [Dependency("personal", "closed"), self.trouble])
        readiness = Readiness(not self.draining, self.draining, [route], self.configured, 2, self.answered)
        requests: dict[Labels, int] = {("wind", "GET", 200, "", "upstream", "app"): self.requests}
        tallies = summed([Tallies({"5xx": {("wind", "partner", "partner-timeout"): 2}, "requests": requests})])
        processes = [Process(number, 100 + number, number < self.answered) for number in range(2)]
        records = FailureRecords()
        for record in reversed(self.failures):
            records.add(record)
        return Overview(readiness, tallies, processes, records, KEYS)

    async def invalidate(self, partner: str, caller: str, phone_id: PersonalPhoneId) -> int:
        key = (partner, caller, phone_id)
        found = key in self.kept
        self.kept.discard(key)
        return int(found)

    async def invalidate_all(self) -> int:
        count = len(self.kept)
        self.kept.clear()
        return count

    async def configuration(self) -> ConfigurationInForce | None:
        return None if self.broken else ConfigurationInForce("0123456789ab", self.level, {"personal": {"token": "***"}})

    async def reload(self) -> int:
        return 0 if self.broken else 1

    async def set_log_level(self, level: str) -> int:
        self.level = level
        return 2
