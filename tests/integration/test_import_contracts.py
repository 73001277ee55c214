"""What import-linter holds, by the program itself."""

import subprocess
import sys
from pathlib import Path

from tools.repository_files import ROOT


def test_imports_point_one_way() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    told = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    assert told.returncode == 0, told.stdout
