"""What counts as a line of code."""

from pathlib import Path

import pytest

from tools.code_lines import code_lines, excesses, median_length, sums, write


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


FEATURES = """[features]
"flows" = ["domain/flow.py", "adapters/flows"]

[bounds]
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Four lines of the house, three of a feature, one of neither."""
    for name, text in {
        "src/__init__.py": "e = 1\n# no code\n",
        "src/domain/a.py": "a = 1\n",
        "src/domain/flow.py": "a = 1\n",
        "src/adapters/http1/b.py": "b = 1\nc = 2\n",
        "src/adapters/flows/deep/c.py": "b = 1\nc = 2\n",
        "src/sandbox/d.py": "d = 1\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path / "src"


@pytest.fixture
def bounds(tmp_path: Path) -> Path:
    path = tmp_path / "bounds.toml"
    path.write_text(FEATURES)
    return path


def test_a_line_is_one_of_the_house_or_of_a_feature_unless_it_is_beside_the_product(source: Path, bounds: Path) -> None:
    packages = {".": 1, "domain": 1, "adapters/http1": 2}
    assert sums(source, bounds) == {**packages, "flows": 3, "the house": 4, "the product": 7}
    assert median_length(source) == 1.5


def test_what_has_no_bound_or_is_over_it_is_told(source: Path, bounds: Path) -> None:
    assert len(excesses(source, bounds)) == 6
    write(source, bounds)
    assert excesses(source, bounds) == []
    (source / "domain" / "new.py").write_text("a = 1\n" * 26)
    assert excesses(source, bounds) == [
        "domain: 2 lines of code too many",
        "the house: 5 lines of code too many",
        "the product: 8 lines of code too many",
    ]


def test_bounds_are_written_below_the_features(source: Path, bounds: Path) -> None:
    write(source, bounds)
    write(source, bounds)
    assert bounds.read_text().startswith(FEATURES + '"." = 25\n')
    assert bounds.read_text().count("the product") == 1
