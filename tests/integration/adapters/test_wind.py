"""wind passes the conformance suite of partners against its simulator."""

from talaria.adapters.partners.wind import Accounts
from talaria.sandbox.wind import SimulatedWind
from talaria.testing.conformance import PartnerConformance


class TestWind(PartnerConformance):
    adapter = Accounts
    simulator = SimulatedWind
