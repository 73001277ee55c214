"""Simulators are found by their partner's name; what they say of themselves is the configuration."""

from pathlib import Path

import pytest

from talaria.sandbox.folder import SandboxFolder
from talaria.sandbox.partner import SimulatedPartner, simulator_of
from talaria.sandbox.wind import SimulatedWind
from tests.support_plugins import install


class SimulatedBolt(SimulatedPartner):
    """A partner with options and two secrets, one of which is its key."""

    name = "bolt"
    secret_names = ("api_key", "signing_secret")
    options = {"region": "eu"}


def test_winds_is_winds() -> None:
    assert simulator_of("wind") is SimulatedWind


@pytest.mark.parametrize("name", ["nothing", "", "stack", "../wind", "wind.SimulatedWind"])
def test_another_name_has_none(name: str) -> None:
    with pytest.raises(LookupError, match=r"there is no simulator of .* \(entry points of talaria.simulators:"):
        simulator_of(name)


def test_one_that_fails_to_import_is_said_with_its_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "broken", "import no_such_module", group="talaria.simulators")
    with pytest.raises(
        LookupError, match=r"the simulator of broken can't be imported \(ModuleNotFoundError: No module"
    ):
        simulator_of("broken")


def test_one_with_mutual_tls_has_certificates_that_the_configuration_names(tmp_path: Path) -> None:
    class Certified(SimulatedBolt):
        mutual_tls = True

    bolt = Certified.create(SandboxFolder(tmp_path))
    table = bolt.configuration()["partners"]["bolt"]
    files = {"ca_file": "bolt-service.pem", "cert_file": "bolt-ours.pem", "key_file": "bolt-ours.key"}
    assert table["tls"] == {key: f"tls/{name}" for key, name in files.items()}
    assert all((tmp_path / name).exists() for name in table["tls"].values())


def test_its_secrets_are_files_and_its_options_stand_in_its_table(tmp_path: Path) -> None:
    folder = SandboxFolder(tmp_path)
    bolt = SimulatedBolt.create(folder)
    assert bolt.api_key == folder.secret("bolt-api-key")
    assert bolt.secrets == {"signing_secret": folder.secret("bolt-signing-secret")}
    table = bolt.configuration()["partners"]["bolt"]
    assert table["options"] == {"region": "eu"}
    assert table["api_key"] == {"file": "secrets/bolt-api-key"}
    assert table["secrets"] == {"signing_secret": {"file": "secrets/bolt-signing-secret"}}
    assert bolt.configuration()["routes"]["bolt"]["partner"] == "bolt"
