"""`talaria partner new`: a partner's adapter to start from, with its simulator and its tests, which pass."""

import re
from pathlib import Path

import rich_click as click

from talaria.entrypoints.cli.lazy_group import LazyGroup
from talaria.entrypoints.cli.shared import fail, pasted, writing
from talaria.entrypoints.cli.templates import templates

_NAME = re.compile(r"[a-z][a-z0-9]{1,29}")
_OUTSIDE = {
    "pyproject.toml": "pyproject",
    "talaria_NAME/__init__.py": "adapter",
    "talaria_NAME/simulator.py": "simulator",
    "test_NAME.py": "test",
}
_IN_REPOSITORY = {
    "src/talaria/adapters/partners/NAME.py": "adapter",
    "src/talaria/sandbox/NAME.py": "simulator",
    "tests/unit/adapters/partners/test_NAME.py": "unit_test",
    "tests/integration/adapters/test_NAME.py": "test",
}


@click.group("partner", cls=LazyGroup, modules={"test": "talaria.testing.staging_command"})
def command() -> None:
    """Adapters of partners."""


@command.command("new")
@click.argument("name")
@click.option("--in-repo", is_flag=True, help="Into the gateway's own repository, which is the current folder.")
@click.option(
    "--to",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the package goes. [default: talaria-partner-NAME]",
)
def new(name: str, in_repo: bool, folder: Path | None) -> None:
    """Write an adapter for the partner NAME, its options, a simulator and tests. Nothing is overwritten."""
    if not _NAME.fullmatch(name):
        fail(f'"{name}" is no name for a partner: write 2 to 30 lower-case letters and digits ("comet").', code=2)
    if in_repo and folder is not None:
        raise click.UsageError("--in-repo says where the files go: leave out --to.")
    folder = Path() if in_repo else folder or Path(f"talaria-partner-{name}")
    if in_repo and not (folder / "src/talaria/adapters/partners").is_dir():
        fail("The current folder is not the gateway's repository: there is no src/talaria/adapters/partners.")
    written = texts(name, in_repo)
    with writing(*(folder / path for path in written)):
        for path, text in written.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    said = ["Written:", *(f"  {folder / path}" for path in written), *_next_steps(name, in_repo, folder)]
    click.echo("\n".join(said))


def texts(name: str, in_repo: bool) -> dict[str, str]:
    """The files of a new partner: their texts by their paths."""
    template, values = templates("partner_template"), {"name": name, "title": name.title(), "in_repo": in_repo}
    kinds = _IN_REPOSITORY if in_repo else _OUTSIDE
    return {
        path.replace("NAME", name): template.get_template(f"{kind}.txt").render(values) for path, kind in kinds.items()
    }


def _next_steps(name: str, in_repo: bool, folder: Path) -> list[str]:
    steps = [f"pytest tests/unit/adapters/partners/test_{name}.py tests/integration/adapters/test_{name}.py"]
    if not in_repo:
        steps = [f"pip install --editable {pasted(folder)}", f"pytest --talaria-partner {name}"]
    return ["Then:", *(f"  {step}" for step in (*steps, f"talaria sandbox --with {name}"))]
