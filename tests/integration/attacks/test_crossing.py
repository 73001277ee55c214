"""Everything at once: no request and no response of one person, caller or partner is ever another's."""

from pathlib import Path

from tests.integration.attacks.support_crossing_run import run_crossing


async def test_no_crossing_in_some_seconds_of_everything(tmp_path: Path) -> None:
    """`make soak` does it for a minute."""
    assert await run_crossing(tmp_path, seconds=10, mutations=2_000) == []
