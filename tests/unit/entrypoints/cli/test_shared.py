"""What the commands share."""

import errno
from pathlib import Path

import pytest

from talaria.entrypoints.cli.shared import writing


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "a/folder"), "a/folder"),
        (OSError(errno.ENOSPC, "No space left on device"), "one.pem or two.json"),
    ],
)
def test_a_file_that_cannot_be_written_is_named(capsys: pytest.CaptureFixture[str], error: OSError, named: str) -> None:
    with pytest.raises(SystemExit) as ended, writing(Path("one.pem"), Path("two.json")):
        raise error
    assert ended.value.code == 1
    assert capsys.readouterr().err == f"{named} can't be written: {error.strerror}.\n"
