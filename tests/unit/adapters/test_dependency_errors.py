"""What each error of our client is for a dependency."""

import pytest

from talaria.adapters.dependency_errors import failed_attempt
from talaria.adapters.http1 import errors
from talaria.domain.errors import PARTNER


@pytest.mark.parametrize("may_retry", [True, False])
@pytest.mark.parametrize(
    ("error", "reason", "outcome", "transient"),
    [
        (errors.ConnectError, "partner-unreachable", "unreachable", True),
        (errors.ConnectTimeout, "partner-timeout", "timeout", True),
        (errors.ConnectionClosed, "partner-unreachable", "unreachable", True),
        (errors.RemoteProtocolError, "partner-bad-answer", "bad-answer", False),
        (errors.ReadTimeout, "partner-timeout", "timeout", False),
        (errors.WriteTimeout, "partner-timeout", "timeout", False),
    ],
)
def test_an_error_is_the_dependency_s_fault(
    error: type[errors.Http1Error], reason: str, outcome: str, transient: bool, may_retry: bool
) -> None:
    failed = failed_attempt(error("why"), PARTNER, may_retry=may_retry)
    assert (failed.fault.reason, failed.fault.cause, failed.outcome) == (reason, "why", outcome)
    assert failed.transient == (transient and may_retry)
