"""The files of the repository: what git does not ignore or, where it refuses, what .gitignore does not name."""

import ast
import os
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]


def repository_files(root: Path = ROOT) -> list[Path]:
    """Absolute, sorted, and there: a file that is listed and deleted is left out."""
    names = _listed(root)
    return sorted({path for path in (_walked(root) if names is None else names) if path.is_file()})


def _listed(root: Path) -> list[Path] | None:
    """None where there is no git, or where it refuses (no checkout, or one of another user)."""
    try:
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=root, capture_output=True, check=False)  # noqa: S603 - the developer's git
    except OSError:
        return None
    if listed.returncode:
        return None
    return [root / name for name in listed.stdout.decode().split("\0") if name]


def _walked(root: Path) -> Iterator[Path]:
    ignored = {line.rstrip("/") for line in (root / ".gitignore").read_text().splitlines()} | {".git"}
    for folder, folders, names in os.walk(root):
        place = Path(folder)
        folders[:] = [name for name in folders if not {name, str((place / name).relative_to(root))} & ignored]
        yield from (place / name for name in names)


@cache
def texts() -> tuple[tuple[Path, str], ...]:
    """The files of this repository from its root, and what is in them; those that are no text left out."""
    read = [(path.relative_to(ROOT), path.read_bytes()) for path in repository_files()]
    return tuple((path, data.decode("utf-8", "replace")) for path, data in read if b"\0" not in data)


@cache
def nodes(text: str) -> tuple[ast.AST, ...]:
    """Every node of a file of Python, which is parsed once."""
    return tuple(ast.walk(ast.parse(text)))
