"""`talaria partner new`: what it writes, and what it leaves alone. That it works is tried in integration/partners."""

import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from talaria.entrypoints.cli.main import cli
from talaria.entrypoints.cli.partner import texts


def new(*arguments: str) -> Result:
    """The command's result."""
    return CliRunner().invoke(cli, ["partner", "new", *arguments])


def test_a_package_has_both_entry_points_and_says_what_comes_next(tmp_path: Path) -> None:
    result = new("comet", "--to", str(tmp_path / "there"))
    assert result.exit_code == 0, result.output
    project = tomllib.loads((tmp_path / "there/pyproject.toml").read_text())["project"]
    assert project["name"] == "talaria-partner-comet"
    assert project["entry-points"] == {
        "talaria.partners": {"comet": "talaria_comet:Accounts"},
        "talaria.simulators": {"comet": "talaria_comet.simulator:SimulatedComet"},
    }
    assert "pytest --talaria-partner comet" in result.output
    assert "talaria sandbox --with comet" in result.output


@pytest.mark.parametrize("in_repo", [False, True])
def test_no_placeholder_is_left(in_repo: bool) -> None:
    for path, text in texts("comet", in_repo).items():
        assert not [word for word in ("NAME", "TITLE", "IMPORTS") if word in path + text]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "test_comet.py").write_text("mine")
    result = new("comet", "--to", str(tmp_path))
    assert result.exit_code == 1
    assert "nothing was written" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["test_comet.py"]
    assert (tmp_path / "test_comet.py").read_text() == "mine"


@pytest.mark.parametrize("name", ["", "a", "Comet", "co met", "../comet", "1comet", "co-met", "x" * 31])
def test_another_form_of_name_is_refused(name: str) -> None:
    assert new("--", name).exit_code == 2


def test_in_repo_is_for_the_repository_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "is not the gateway's repository" in new("comet", "--in-repo").output
    assert new("comet", "--in-repo", "--to", str(tmp_path)).exit_code == 2
    (tmp_path / "src/talaria/adapters/partners").mkdir(parents=True)
    assert new("comet", "--in-repo").exit_code == 0
    assert (tmp_path / "src/talaria/sandbox/comet.py").read_text() == texts("comet", True)[
        "src/talaria/sandbox/comet.py"
    ]


def test_a_folder_that_can_not_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = new("comet", "--to", str(tmp_path / "file" / "folder"))
    assert (result.exit_code, "can't be written" in result.output) == (1, True)
