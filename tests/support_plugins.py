"""Distributions outside of the tree, as `pip install` would leave them, in a folder on the path."""

from pathlib import Path

import pytest

ADAPTER = """
import msgspec
from talaria.adapters.partner_kit import PartnerUserId, Sensitive

class Options(msgspec.Struct):
    region: str
    secret: Sensitive
    size: int = 1

class Accounts:
    contract = 1
    Options = Options

    def __init__(self, partner):
        self.partner = partner

    async def user_of(self, phone, call):
        return PartnerUserId("u-1")
"""


def install(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    source: str = ADAPTER,
    module: str = "",
    version: str = "1.2",
    group: str = "talaria.partners",
) -> None:
    """The distribution `talaria-partner-<name>` with the adapter `name`, which is `Accounts` of a module."""
    module = module or f"{name}_plugin"
    (folder / f"{module}.py").write_text(source)
    info = folder / f"talaria_partner_{module}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: talaria-partner-{name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}:Accounts\n")
    monkeypatch.syspath_prepend(str(folder))
