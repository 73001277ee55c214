"""How many examples hypothesis tries: the profile says it, a test may ask for a multiple of that.

`default` is for every run: the same examples each time, so that no run fails for another's reason. `ci`, of `.ci/run`,
is the same with more of them. `thorough` (`HYPOTHESIS_PROFILE=thorough make test`) looks further, each time elsewhere.
"""

import os

from hypothesis import HealthCheck, settings

ON_A_BUSY_MACHINE = [HealthCheck.too_slow]
PROFILES = {
    "default": settings(max_examples=16, deadline=None, derandomize=True, suppress_health_check=ON_A_BUSY_MACHINE),
    "ci": settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=ON_A_BUSY_MACHINE),
    "thorough": settings(max_examples=1000, deadline=None, print_blob=True, suppress_health_check=ON_A_BUSY_MACHINE),
}
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "default")

for name, profile in PROFILES.items():
    settings.register_profile(name, profile)
settings.load_profile(PROFILE)


def times(factor: float) -> settings:
    """As many times the profile's number of examples."""
    return settings(max_examples=max(1, round(PROFILES[PROFILE].max_examples * factor)))
