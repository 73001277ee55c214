"""Ten seconds of everything at once (a minute of it in the soak): nothing of one person is ever another's."""

from pathlib import Path

import pytest

from tests.integration.attacks.support_everything import everything_at_once


@pytest.mark.timeout(180)
async def test_no_crossing_in_ten_seconds_of_everything(tmp_path: Path) -> None:
    assert await everything_at_once(tmp_path, 10.0) == []
