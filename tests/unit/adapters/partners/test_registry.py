"""Partners are found by the names of their modules, and by the entry points of other distributions."""

import sys
from pathlib import Path

import pytest

from talaria import __version__
from talaria.adapters import partners
from talaria.adapters.partners import BadAdapter, wind
from tests.support_plugins import ADAPTER, install


def test_known_are_the_modules_of_the_package_and_the_entry_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, "comet")
    files = Path(partners.__file__).parent.glob("*.py")
    assert partners.known() >= ({file.stem for file in files} - {"__init__"}) | {"comet"}


def test_wind_is_wind() -> None:
    assert partners.find("wind") == (wind.Accounts, "talaria-proxy", __version__)


@pytest.mark.parametrize("name", ["nothing", "", "wind.Accounts", "../personal", "__init__"])
def test_an_unknown_adapter_is_refused_with_the_names_of_the_known(name: str) -> None:
    with pytest.raises(LookupError, match=r"there are: .*wind"):
        partners.find(name)


def test_one_of_another_distribution_is_found_with_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "comet")
    found = partners.find("comet")
    assert (found.kind.__name__, found.distribution, found.version) == ("Accounts", "talaria-partner-comet", "1.2")


def test_nothing_of_another_distribution_is_imported_unless_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, "bomb", "raise SystemExit('boom')")
    partners.known()
    partners.find("wind")
    assert "bomb_plugin" not in sys.modules


def test_a_built_in_adapter_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "wind", "raise SystemExit('boom')")
    assert partners.find("wind").kind is wind.Accounts


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import no_such_module", r"can't be imported \(ModuleNotFoundError: No module named 'no_such_module'\)"),
        ("raise SystemExit('boom')", r"can't be imported \(SystemExit: boom\)"),
        ("raise ValueError('one\\ntwo')", r"\(ValueError: one\)"),
        ("nothing = 1", r"can't be imported \(AttributeError"),
        ("Accounts = 1", "no class with a method user_of"),
        ("class Accounts: contract = 1", "no class with a method user_of"),
        (ADAPTER.replace("contract = 1", "contract = 2"), "is for contract 2, and this gateway has contract 1"),
        (ADAPTER.replace("contract = 1", "pass"), "is for contract none"),
    ],
)
def test_one_that_can_not_be_used_says_why(
    source: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, "bad", source, f"bad_{abs(hash(source))}")
    with pytest.raises(BadAdapter, match=says) as caught:
        partners.find("bad")
    assert str(caught.value).count("\n") == 0


def test_two_distributions_with_one_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "twin", module="twin_one")
    install(tmp_path, monkeypatch, "twin", module="twin_two", version="3")
    with pytest.raises(BadAdapter, match=r"talaria-partner-twin 1.2 and talaria-partner-twin 3 each have one"):
        partners.find("twin")
