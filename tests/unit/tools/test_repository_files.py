"""The files of the repository, with git and without."""

from pathlib import Path

import pytest

from tools.repository_files import repository_files


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / ".gitignore").write_text(".venv/\n__pycache__/\nbench/results/\n")
    for name in ("a.py", "src/b.py", ".venv/c.py", "src/__pycache__/d.pyc", "bench/results/e.txt", ".git/config"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def found(root: Path) -> list[str]:
    return [str(path.relative_to(root)) for path in repository_files(root)]


def test_where_git_refuses_the_tree_is_read_but_for_what_is_ignored(tree: Path) -> None:
    assert found(tree) == [".gitignore", "a.py", "src/b.py"]  # its .git is no repository


def test_where_there_is_no_git_too(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tree))
    assert found(tree) == [".gitignore", "a.py", "src/b.py"]


def test_of_this_repository_both_ways_find_the_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = {path for path in repository_files() if path.suffix == ".py"}
    monkeypatch.setenv("PATH", "")
    assert Path(__file__) in listed
    assert listed <= set(repository_files())
