"""What is imported is declared: a library that comes with another one only is gone one day."""

import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from typing import Any

import pytest

from tools.repository_files import ROOT

distributions = cache(packages_distributions)
OURS = {"talaria", "tests", "bench", "tools", "deploy"}
BROUGHT_BY = {"pytest_plugin.py": {"pytest"}}
"""A plug-in is loaded by its host alone."""


def declared(*, with_groups: bool) -> set[str]:
    """The names of the distributions in pyproject.toml, in their plain form."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = [*project["dependency-groups"].values()] if with_groups else []
    listed = sum([*project["project"]["optional-dependencies"].values(), *groups], project["project"]["dependencies"])
    return {plain(re.split(r"[\[<>=!~; ]", one)[0]) for one in listed}


def plain(name: str) -> str:
    """As PEP 503 compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


STATEMENT = re.compile(r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import\b|import[ \t]+([\w., \t]+))", re.MULTILINE)
"""An import, read without parsing the file, for there are forty thousand lines. One in a longer text counts too."""


def imported(text: str) -> set[str]:
    """The top-level names that a file imports, but for our own and the standard library's."""
    names = {name.split()[0] for found in STATEMENT.findall(text) for name in "".join(found).split(",")}
    return {name.partition(".")[0] for name in names if name[0] != "."} - OURS - sys.stdlib_module_names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("import a\nfrom b.c import d\n", {"a", "b"}),
        ("import a.b as c, d, sys\n", {"a", "d"}),
        ("if x:\n    from a import (\n        b,\n    )\n", {"a"}),
        ("from . import a\nfrom .b import c\nimport talaria.d\n", set()),
        ("# import a\nimportant = 1\nx = 'import a'\n", set()),
    ],
)
def test_what_a_file_imports(text: str, names: set[str]) -> None:
    assert imported(text) == names


@pytest.mark.parametrize(("folder", "with_groups"), [("src", False), ("tests", True)])
def test_every_library_that_is_imported_is_declared(folder: str, with_groups: bool) -> None:
    known, from_where = declared(with_groups=with_groups), distributions()
    undeclared = {
        f"{path.relative_to(ROOT)}: {top}"
        for path in (ROOT / folder).rglob("*.py")
        for top in imported(path.read_text()) - BROUGHT_BY.get(path.name, set())
        if not known & {plain(one) for one in from_where.get(top, [top])}
    }
    assert undeclared == set()
