"""The contract of `Upstream` on both event loops; elsewhere it runs on the default one only."""

from tests.integration.adapters.test_upstreams import TestTalariaServices

__all__ = ["TestTalariaServices"]
