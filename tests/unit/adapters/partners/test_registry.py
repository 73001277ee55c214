"""Partners are found by the names of their modules."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from talaria.adapters import partners
from talaria.adapters.dependency_client import DependencyClient
from talaria.adapters.partners import wind
from talaria.domain.errors import PARTNER
from talaria.testing import MemoryClock, MemoryRecorder


@pytest.fixture
def client() -> DependencyClient:
    return DependencyClient(
        "partner",
        "http://partner.test",
        PARTNER,
        timeout=1,
        attempts=1,
        recorder=MemoryRecorder(),
        clock=MemoryClock(),
        transport=httpx.MockTransport(lambda request: httpx.Response(500)),
    )


def test_known_are_the_modules_of_the_package() -> None:
    files = Path(partners.__file__).parent.glob("*.py")
    assert partners.known() == {file.stem for file in files} - {"__init__"}
    assert "wind" in partners.known()


@pytest.mark.parametrize("adapter", sorted(partners.known()))
def test_each_can_be_built(adapter: str, client: DependencyClient) -> None:
    assert callable(partners.build(adapter, client, "key").user_of)


def test_wind_is_wind(client: DependencyClient) -> None:
    assert isinstance(partners.build("wind", client, "key"), wind.Accounts)


@pytest.mark.parametrize("name", ["nothing", "", "wind.Accounts", "../personal", "__init__"])
def test_an_unknown_adapter_is_refused_with_the_names_of_the_known(name: str, client: DependencyClient) -> None:
    with pytest.raises(LookupError, match=r"there are: .*wind"):
        partners.build(name, client, "key")


def test_the_names_alone_import_no_http_library() -> None:
    program = "import sys; from talaria.adapters import partners; partners.known(); sys.exit('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0  # noqa: S603
