"""A rolling restart loses nothing. Two restarts here; the soak (`make soak`) makes ten."""

from pathlib import Path

import pytest

from tests.integration.faults.support_rolling import roll


@pytest.mark.parametrize("workers", [1, 2])
async def test_no_request_is_lost(tmp_path: Path, workers: int) -> None:
    tally, codes = await roll(tmp_path, times=2, workers=workers)
    assert tally.lost == []
    assert set(tally.statuses) == {200}
    assert codes == [0] * 4
