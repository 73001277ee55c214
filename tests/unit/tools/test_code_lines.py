"""What counts as a line of code."""

from pathlib import Path

import pytest

from tools.code_lines import by_package, code_lines, median_length, product_lines


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", 0),
        ('"""A docstring."""\n\n# a comment\n', 0),
        ("a = 1\n\n\nb = 2  # why\n", 2),
        ('def f() -> None:\n    """One.\n\n    Two.\n    """\n    return None\n', 2),
        ('text = """one\ntwo\n"""\n', 3),
        ("f(\n    1,\n\n    2,\n)\n", 4),
    ],
)
def test_lines_of_code(text: str, lines: int) -> None:
    assert code_lines(text) == lines


def test_the_product_is_what_is_neither_sandbox_nor_testing(tmp_path: Path) -> None:
    for name, text in {
        "domain/a.py": "a = 1\n",
        "adapters/http1/b.py": "b = 1\nc = 2\n",
        "sandbox/d.py": "d = 1\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "__init__.py").write_text("e = 1\n# no code\n")
    assert by_package(tmp_path) == {".": 1, "domain": 1, "adapters/http1": 2, "sandbox": 1}
    assert product_lines(tmp_path) == 4
    assert median_length(tmp_path) == 1.5
