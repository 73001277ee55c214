"""One memory for all processes and configurations: what goes on after a reload, and what pushes out nothing."""

from msgspec.structs import replace

from talaria.domain.errors import RateLimited
from talaria.domain.model import PersonalPhoneId, Principal
from talaria.domain.rate_limits import CallerRateLimits, RateLimit, RateLimiter
from talaria.entrypoints.config import Settings
from talaria.entrypoints.config.settings import CallerSettings, PersonalSettings, SigningSettings
from talaria.entrypoints.runtime.rate_limiters import RateLimiters

PATH, OTHER = "partners.wind.rate_limit", "partners.comet.rate_limit"
SETTINGS = Settings(
    callers={},
    signing=SigningSettings(keys=()),
    personal=PersonalSettings(url="http://personal.test"),
    partners={},
    upstreams={},
    routes={},
)


class Lock:
    """Counts its turns."""

    turns = 0

    def acquire(self) -> bool:
        self.turns += 1
        return True

    def release(self) -> None:
        assert self.turns


def admitted(limiter: RateLimiter | None) -> int:
    """How many of ten at once."""
    assert limiter is not None
    return sum(limiter.take("wind", 1.0) == 0.0 for _ in range(10))


def of_callers(limiters: RateLimiters, **callers: CallerSettings) -> CallerRateLimits:
    return limiters.of_callers(replace(SETTINGS, callers=callers))


def refused(limits: CallerRateLimits, person: str, caller: str = "app") -> str:
    try:
        limits.check(Principal(caller, PersonalPhoneId(person)), 1.0)
    except RateLimited as refusal:
        return refusal.cause
    return ""


def test_the_same_limit_of_the_same_setting_goes_on() -> None:
    limiters = RateLimiters()
    assert admitted(limiters.named(PATH, RateLimit(1.0, 2))) == 2
    assert admitted(limiters.named(PATH, RateLimit(1.0, 2))) == 0
    assert admitted(limiters.named(OTHER, RateLimit(1.0, 2))) == 2


def test_a_changed_limit_begins_anew() -> None:
    limiters = RateLimiters()
    assert admitted(limiters.named(PATH, RateLimit(1.0, 2))) == 2
    assert admitted(limiters.named(PATH, RateLimit(1.0, 3))) == 3


def test_the_lock_between_processes_is_taken_where_one_is_given() -> None:
    lock = Lock()
    limiters = RateLimiters(lock)
    limits = of_callers(limiters, app=CallerSettings(name="app", rate_limit=RateLimit(1.0, 1)))
    partner = limiters.named(PATH, RateLimit(1.0, 1))
    assert partner is not None
    limits.check(Principal("app", None), 1.0)
    partner.take("wind", 1.0)
    assert lock.turns == 2


def test_a_setting_without_a_limit_has_no_limiter() -> None:
    limiters = RateLimiters()
    assert limiters.named(PATH, None) is None
    assert not of_callers(limiters, app=CallerSettings(name="app"))


def test_limits_of_callers_and_of_their_persons_go_on_each_by_itself() -> None:
    limiters = RateLimiters()
    app = CallerSettings(name="app", rate_limit=RateLimit(1.0, 2), person_rate_limit=RateLimit(1.0, 1))
    web = CallerSettings(name="web", person_rate_limit=RateLimit(1.0, 1))
    before = of_callers(limiters, app=app, web=web)
    assert [refused(before, *one) for one in (("anna",), ("anna", "web"), ("ben",))] == ["", "", ""]
    after = of_callers(limiters, app=replace(app, rate_limit=None), web=replace(web, rate_limit=RateLimit(1.0, 1)))
    assert refused(after, "anna") == "callers.app.person_rate_limit"
    assert [refused(after, person, "web") for person in ("anna", "ben", "carl")] == [
        "callers.web.person_rate_limit",
        "",
        "callers.web.rate_limit",
    ]
    assert refused(of_callers(limiters, app=app), "carl") == "callers.app.rate_limit"


def test_a_flood_of_persons_pushes_out_no_caller_and_no_partner() -> None:
    limiters = RateLimiters(persons=80)
    app, slow = CallerSettings(name="app", rate_limit=RateLimit(1 / 3600, 1)), RateLimit(1 / 3600, 1)
    web = CallerSettings(name="web", person_rate_limit=RateLimit(1 / 3600, 1))
    limits, partner = of_callers(limiters, app=app, web=web), limiters.named(PATH, slow)
    assert (refused(limits, "anna"), admitted(partner)) == ("", 1)
    assert not any(refused(limits, f"person-{number}", "web") for number in range(2000))
    assert (refused(limits, "anna"), admitted(partner)) == ("callers.app.rate_limit", 0)
    assert refused(limits, "person-0", "web") == ""  # but the first of the persons, long ago
