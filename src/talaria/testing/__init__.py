"""For tests: a working version of every port in memory.

`talaria.testing.contracts` has the tests that each version of a port must pass.
"""

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

__all__ = [
    "ClientDisconnected",
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
]
