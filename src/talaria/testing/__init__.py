"""For tests, of a partner's adapter and of a gateway: public, and semantic-versioned like the kit.

A working version of every port in memory; the conformance suite of partners; scripted simulators, and what asks them;
a whole gateway; a check that nothing personal is printed. `talaria.testing.contracts` has the tests that each version
of a port must pass. What needs a server or a client is imported when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from talaria.testing.memory import (
    DependencyScript,
    MemoryClock,
    MemoryIdentityCache,
    MemoryPartnerAccounts,
    MemoryPhoneDirectory,
    MemoryRecorder,
    MemoryServiceTokens,
    MemoryTokenVerifier,
)
from talaria.testing.memory_upstream import ClientDisconnected, MemoryBackendRequest, MemoryUpstream

if TYPE_CHECKING:
    from talaria.testing.conformance import PartnerConformance
    from talaria.testing.gateway import Container, load, run_sandbox, start
    from talaria.testing.printed import logged, personal_in
    from talaria.testing.simulator import (
        ReplayProtection,
        Script,
        ServiceError,
        SimulatedPartner,
        accounts_of,
        client_of,
        running,
    )

__all__ = [
    "ClientDisconnected",
    "Container",
    "DependencyScript",
    "MemoryBackendRequest",
    "MemoryClock",
    "MemoryIdentityCache",
    "MemoryPartnerAccounts",
    "MemoryPhoneDirectory",
    "MemoryRecorder",
    "MemoryServiceTokens",
    "MemoryTokenVerifier",
    "MemoryUpstream",
    "PartnerConformance",
    "ReplayProtection",
    "Script",
    "ServiceError",
    "SimulatedPartner",
    "accounts_of",
    "client_of",
    "load",
    "logged",
    "personal_in",
    "run_sandbox",
    "running",
    "start",
]

_LATER = ("printed", "simulator", "conformance", "gateway")
"""Modules with the names that are not imported above, the light ones first."""


def __getattr__(name: str) -> Any:
    if name in __all__:
        for module in _LATER:
            found = import_module(f"{__name__}.{module}")
            if hasattr(found, name):
                return getattr(found, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
