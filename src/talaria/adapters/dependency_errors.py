"""What an error of our client is for a dependency: a fault of the dependency, and whether another attempt may help."""

from typing import Final, Literal

from talaria.adapters.http1 import errors
from talaria.domain.errors import DependencyFaults, Refusal

_ErrorKind = Literal["unreachable", "bad_answer", "timeout"]
_KINDS: Final[tuple[tuple[type[errors.Http1Error], _ErrorKind, bool], ...]] = (
    (errors.ConnectError, "unreachable", True),
    (errors.ConnectTimeout, "timeout", True),
    (errors.ConnectionClosed, "unreachable", True),
    (errors.RemoteProtocolError, "bad_answer", False),
    (errors.ReadTimeout, "timeout", False),
    (errors.WriteTimeout, "timeout", False),
)
"""What an error of the client is among `DependencyFaults`, and whether it may be gone at the next attempt."""


class FailedAttempt(Exception):
    """An attempt failed by the dependency's fault. `outcome` is for the attempt's event.

    `transient`: another attempt may go better.
    """

    def __init__(self, fault: Refusal, outcome: str, *, transient: bool = False) -> None:
        super().__init__(outcome)
        self.fault = fault
        self.outcome = outcome
        self.transient = transient


def failed_attempt(error: errors.Http1Error, faults: DependencyFaults, *, may_retry: bool) -> FailedAttempt:
    """The attempt that met this error. `may_retry`: its request may be sent again."""
    kind, transient = next((kind, transient) for type_, kind, transient in _KINDS if isinstance(error, type_))
    return FailedAttempt(getattr(faults, kind)(str(error)), kind.replace("_", "-"), transient=transient and may_retry)
