"""Circles of imports are found, however an import is written."""

from pathlib import Path

import pytest

from tools.import_circles import circles

TYPE_CHECKING = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    "


@pytest.mark.parametrize(
    "back",
    [
        "import p.a\n",
        "from p import a\n",
        "from p.a import name\n",
        "from . import a\n",
        "from .a import name\n",
        f"{TYPE_CHECKING}from p.a import name\n",
        "def f() -> None:\n    from p.a import name\n",
    ],
)
def test_a_circle_of_two(tmp_path: Path, back: str) -> None:
    write(tmp_path, {"p/__init__.py": "", "p/a.py": "from p.b import name\n", "p/b.py": back, "p/c.py": "import p.a\n"})
    assert circles(tmp_path, "p") == [["p.a", "p.b"]]


def test_a_circle_through_a_package(tmp_path: Path) -> None:
    write(tmp_path, {"p/__init__.py": "", "p/q/__init__.py": "from .r import x\n", "p/q/r.py": "from ..s import x\n"})
    write(tmp_path, {"p/s.py": "from p.q import x\n"})
    assert circles(tmp_path, "p") == [["p.q", "p.q.r", "p.s"]]


def test_imports_that_point_one_way(tmp_path: Path) -> None:
    write(tmp_path, {"p/__init__.py": "", "p/a.py": "import os\nfrom p import b, c\n", "p/b.py": "from p.c import x\n"})
    write(tmp_path, {"p/c.py": ""})
    assert circles(tmp_path, "p") == []


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
