"""`talaria.testing` has all that docs/partners names, and costs no server before it is asked for."""

import subprocess
import sys

import talaria.testing
from tests.support_rows import each_row


@each_row("name", talaria.testing.__all__)
def test_each_name_is_there(name: str) -> None:
    assert getattr(talaria.testing, name).__module__.startswith("talaria.")


def test_no_other_name_is() -> None:
    assert not hasattr(talaria.testing, "MemoryOfAnother")


def test_what_needs_a_server_is_not_imported_before() -> None:
    program = "import sys, talaria.testing; print(sorted({'litestar', 'httpx', 'pytest'} & set(sys.modules)))"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603
    assert said.stdout == "[]\n"
