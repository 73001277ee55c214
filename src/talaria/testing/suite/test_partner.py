"""The conformance suite for the partner that the command line names."""

from talaria.adapters import partners
from talaria.sandbox.partner import simulator_of
from talaria.testing.conformance import PartnerConformance


class TestPartner(PartnerConformance):
    """The partner is chosen when the tests are collected."""

    simulator = simulator_of("wind")

    @classmethod
    def choose(cls, name: str) -> None:
        """From now on this partner's adapter and simulator."""
        cls.adapter, cls.simulator = partners.find(name).kind, simulator_of(name)
        cls.select(cls.adapter, cls.simulator)
