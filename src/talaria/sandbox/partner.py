"""What all simulated partners have in common: an API key, and a table and a route in the gateway's configuration."""

from typing import Any, Self

from talaria.sandbox.folder import SandboxFolder, secret_setting
from talaria.sandbox.service import SimulatedService


class SimulatedPartner(SimulatedService):
    """Its `name` is that of the adapter, of the partner and of the route; the upstream is talaria-services."""

    def __init__(self, api_key: str) -> None:
        super().__init__()
        self.api_key = api_key

    @classmethod
    def create(cls, folder: SandboxFolder) -> Self:
        """One with the API key in the folder."""
        return cls(folder.secret(f"{cls.name}-api-key"))

    def configuration(self) -> dict[str, Any]:
        """`[partners.<name>]` and `[routes.<name>]`."""
        return {
            "partners": {self.name: {"url": self.url, "api_key": secret_setting(f"{self.name}-api-key")}},
            "routes": {self.name: {"partner": self.name, "upstream": "talaria-services", "callers": ["app"]}},
        }
