"""A configuration that is good, on disk with its key, to be spoilt by a test."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from talaria.adapters.auth.key_files import write_new_key
from talaria.entrypoints.config import ConfigurationError, Problem, Settings, load
from talaria.sandbox.toml_writer import dumps
from tests.unit.entrypoints.config.support_config import ENVIRON

GOOD = tomllib.loads((Path(__file__).parent / "contract.toml").read_text())


class Bench:
    """Writes and loads configurations in one folder. Paths such as `partners.wind.url` name what to change."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "talaria.toml"
        (folder / "keys").mkdir()
        write_new_key(folder / "keys/2026-11.pem")

    def load(self, changes: Mapping[str, Any] | None = None, environ: Mapping[str, str] = ENVIRON) -> Settings:
        """The settings of the good file with these changes; None takes a key away."""
        tree = GOOD
        for key, value in (changes or {}).items():
            tree = _changed(tree, key.split("."), value)
        return self.load_text(dumps(tree), environ)

    def load_text(self, text: str, environ: Mapping[str, str] = ENVIRON) -> Settings:
        """The settings of this text."""
        self.file.write_text(text)
        return load(self.file, environ)

    def problems(
        self, changes: Mapping[str, Any] | None = None, environ: Mapping[str, str] = ENVIRON
    ) -> dict[str, Problem]:
        """What is wrong then, by key."""
        with pytest.raises(ConfigurationError) as refused:
            self.load(changes, environ)
        return {problem.key: problem for problem in refused.value.problems}


def _changed(tree: dict[str, Any], names: Sequence[str], value: Any) -> dict[str, Any]:
    """The tree with this value under these names, and the rest of it shared."""
    name, *rest = names
    changed = dict(tree)
    if rest:
        changed[name] = _changed(tree.get(name, {}), rest, value)
    elif value is None:
        del changed[name]
    else:
        changed[name] = value
    return changed


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A folder with a key, and the good configuration at hand. Shared: no test adds a file to it."""
    return Bench(tmp_path_factory.mktemp("bench"))


@pytest.fixture
def own_bench(tmp_path: Path) -> Bench:
    """The same, for one test alone, in its `tmp_path`."""
    return Bench(tmp_path)
