"""What all simulated partners have in common: persons, secrets, and a table and a route in the configuration."""

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import Any, ClassVar, Self

from talaria.sandbox import fixtures
from talaria.sandbox.certificates import MutualTls
from talaria.sandbox.folder import SandboxFolder, secret_setting
from talaria.sandbox.service import SimulatedService

GROUP = "talaria.simulators"
"""The entry points of simulators from other distributions, each under its partner's name."""


class SimulatedPartner(SimulatedService):
    """Its `name` is that of the adapter, of the partner and of the route; the upstream is talaria-services.

    `users` maps phone numbers to user ids, `blocked` and `without_account` hold phone numbers: all may be changed while
    it runs. A subclass says which `secret_names` it has (`api_key`, and names of `secrets` in the configuration), two
    `user_ids` of its form, of how many `calls` one exchange consists, and whether it wants our certificate too
    (`mutual_tls`).
    """

    secret_names: ClassVar[tuple[str, ...]] = ("api_key",)
    options: Mapping[str, Any] = {}
    user_ids: ClassVar[tuple[str, str]] = ("user-anna", "user-boris")
    calls: ClassVar[int] = 1
    mutual_tls: ClassVar[bool] = False

    def __init__(self, api_key: str = "", **secrets: str) -> None:
        super().__init__()
        self.api_key = api_key
        self.secrets = secrets
        self._tls_settings: dict[str, Any] = {}
        known = (fixtures.PHONES[fixtures.ANNA], fixtures.PHONES[fixtures.BORIS])
        self.users = dict(zip(known, self.user_ids, strict=True))
        self.blocked = {fixtures.PHONES[fixtures.BLOCKED]}
        self.without_account = {fixtures.PHONES[fixtures.NO_ACCOUNT]}

    @classmethod
    def create(cls, folder: SandboxFolder) -> Self:
        """One with the secrets, and the certificates, in the folder."""
        partner = cls(**{name: folder.secret(cls._secret_file(name)) for name in cls.secret_names})
        if cls.mutual_tls:
            partner.tls = MutualTls(folder.path / "tls", cls.name)
            partner._tls_settings = {"tls": partner.tls.client_settings(folder.path)}
        return partner

    def configuration(self) -> dict[str, Any]:
        """`[partners.<name>]` and `[routes.<name>]`."""
        settings = {name: secret_setting(self._secret_file(name)) for name in self.secret_names}
        table = {"url": self.url, "options": dict(self.options), **self._tls_settings}
        if "api_key" in settings:
            table["api_key"] = settings.pop("api_key")
        return {
            "partners": {self.name: {**table, "secrets": settings}},
            "routes": {self.name: {"partner": self.name, "upstream": "talaria-services", "callers": ["app"]}},
        }

    @classmethod
    def _secret_file(cls, name: str) -> str:
        return f"{cls.name}-{name.replace('_', '-')}"


def simulator_of(name: str) -> type[SimulatedPartner]:
    """The simulator of this partner: of the module of its name beside this one, or an entry point's.

    Raises LookupError where there is none.
    """
    module = f"{__package__}.{name}"
    if name.isidentifier() and find_spec(module) is not None:
        found = [one for one in vars(import_module(module)).values() if _is_simulator_of(one, name)]
    else:
        found = [_loaded(name, entry) for entry in entry_points(group=GROUP, name=name)]
    if len(found) != 1:
        known = ", ".join(sorted(entry_points(group=GROUP).names)) or "none is installed"
        raise LookupError(
            f"there is no simulator of {name} (entry points of {GROUP}: {known}); install the package that has one"
        )
    simulator: type[SimulatedPartner] = found[0]
    return simulator


def _loaded(name: str, entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except (Exception, SystemExit) as error:  # of code that is not ours, run for the first time
        cause = f"{type(error).__name__}: {error}".splitlines()[0]
        raise LookupError(f"the simulator of {name} can't be imported ({cause})") from error


def _is_simulator_of(one: object, name: str) -> bool:
    return isinstance(one, type) and issubclass(one, SimulatedPartner) and one.name == name
