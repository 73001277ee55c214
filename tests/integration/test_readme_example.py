"""The lines of the README with which a test swaps an adapter, run as they stand there."""

import re
from pathlib import Path

from talaria.entrypoints.config import load
from tests.integration.gateway.support_client import ask, request
from tests.integration.gateway.support_gateway import town_at

README = Path(__file__).parents[2] / "README.md"
NAMES = "Container, MemoryPartnerAccounts, MemoryPhoneDirectory, container, running, start"


async def test_the_readmes_lines_swap_an_adapter(tmp_path: Path) -> None:
    block = re.search(r"```python\n# swap an adapter\n(.*?)```", README.read_text(), re.DOTALL)
    assert block is not None
    before, after = block[1].split("...\n")
    async with town_at(tmp_path) as town:
        names: dict[str, object] = {"settings": load(town.configure(), environ={})}
        await _run(before, names)
        got = await ask(names["running"].public_url, request(town.token("ppid-anna")))  # type: ignore[attr-defined]
        await _run(after, names)
        assert (got.status, got.body) == (200, b"anna-in-memory")
        assert (town.personal.calls, town.wind.calls) == (0, 0)


async def _run(lines: str, names: dict[str, object]) -> None:
    """Lines with `await` in them, as in the middle of a test."""
    body = "".join(f"    {line}\n" for line in lines.splitlines())
    exec(f"async def lines():\n    global {NAMES}\n{body}", names)  # noqa: S102 - the README's own text
    await names["lines"]()  # type: ignore[operator]
