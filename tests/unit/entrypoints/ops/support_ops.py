"""A fleet without processes, for the tests of the operators' listener."""

from talaria.adapters.auth.key_rotation import KeyUse
from talaria.adapters.telemetry.failure_log import Entry, Try
from talaria.domain.model import PersonalPhoneId
from talaria.entrypoints.ops.readiness import Dependency, Readiness, RouteReadiness


def entry(request_id: str = "r-1") -> Entry:
    return Entry(
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
        attempts=[Try("wind", 50.0, 250.0, "refused")],
        breakers={"wind": "open"},
    )


class MemoryFleet:
    """A fleet of no process."""

    def __init__(self) -> None:
        self.draining = False
        self.state = "closed"
        self.entries: list[Entry] = []
        self.kept = {("wind", "app", PersonalPhoneId("ppid-canary/7a%2F")), ("wind", "app", PersonalPhoneId("b"))}
        self.broken = False

    async def ready(self) -> Readiness:
        route = RouteReadiness("wind", [Dependency("personal", "closed"), Dependency("wind", self.state)])
        return Readiness(not self.draining, self.draining, [route])

    async def metrics(self) -> bytes:
        if self.broken:
            raise ValueError("ppid-canary")
        return b"talaria_build_info 1.0\n"

    async def invalidate(self, partner: str, caller: str, phone_id: PersonalPhoneId) -> int:
        key = (partner, caller, phone_id)
        found = key in self.kept
        self.kept.discard(key)
        return int(found)

    async def invalidate_all(self) -> int:
        count = len(self.kept)
        self.kept.clear()
        return count

    async def ledger_find(self, request_id: str) -> Entry | None:
        return next((kept for kept in self.entries if kept.request_id == request_id), None)

    async def ledger_last(self, count: int) -> list[Entry]:
        return self.entries[:count]

    async def keys(self) -> list[KeyUse]:
        return [KeyUse("2026-11", "ES256", True, 1000.0, 2060.0), KeyUse("2026-12", "ES256", False, 2000.0, 0.0)]
