"""Which faults are made in a function, and that each of them is a function that differs."""

import ast
from pathlib import Path

import pytest

from tools.mutations import Mutant, Source


def mutants(folder: Path, code: str) -> list[Mutant]:
    path = folder / "module.py"
    path.write_text(code)
    return list(Source(path).mutants())


def faults(folder: Path, body: str) -> set[str]:
    """What is made of this statement, inside of a function."""
    return {mutant.what for mutant in mutants(folder, f"def f(a, b):\n    {body}\n")}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return a < b", {"return a < b  ->  return None", "a < b  ->  a <= b", "a < b  ->  a >= b"}),
        ("return not a", {"return not a  ->  return None", "not a  ->  a"}),
        ("g(a and b)", {"g(a and b)  ->  pass", "a and b  ->  a or b", "a and b  ->  a", "a and b  ->  b"}),
        ("a.x = a + 1", {"a.x = a + 1  ->  pass", "a + 1  ->  a - 1", "1  ->  2"}),
        ("a += b", {"a += b  ->  a -= b", "a += b  ->  pass"}),
        ("x = b'y'", {"b'y'  ->  b'XXy'"}),
        ("x = min(a, b)", {"min(a, b)  ->  max(a, b)"}),
        ("x = [c for c in a if c]", {"if c  ->  no condition"}),
        ("x = g(a, k=b)", {"g(a, k=b)  ->  g(a)"}),
        ("x = a if b else None", {"a if b else None  ->  a", "a if b else None  ->  None"}),
        ("raise ValueError('why', 1)", {"raise ValueError('why', 1)  ->  pass", "1  ->  2"}),
        ("await g()", {"await g()  ->  pass"}),
        ("x = f'{a} is {b}'", set()),
        ("x: int = None", set()),
        ("return", set()),
        ("'''A docstring.'''", set()),
    ],
)
def test_which_faults_are_made(tmp_path: Path, body: str, expected: set[str]) -> None:
    made = (
        faults(tmp_path, body)
        if "await" not in body
        else {mutant.what for mutant in mutants(tmp_path, f"async def f():\n    {body}\n")}
    )
    assert made == expected


def test_a_condition_is_made_true_and_false_and_a_loop_never_runs(tmp_path: Path) -> None:
    code = "def f(a):\n    if a:\n        g()\n    while a:\n        g()\n"
    assert [mutant.what for mutant in mutants(tmp_path, code) if mutant.lines != range(3, 4)] == [
        "a  ->  True",
        "a  ->  False",
        "a  ->  False",
        "g()  ->  pass",
    ]


def test_what_runs_at_import_is_left_alone(tmp_path: Path) -> None:
    code = "X = 1\n@g(1)\ndef f(a=1, *, b: int = 2):\n    pass\nclass C:\n    y = 3\n    def m(self):\n        z = 4\n"
    assert [(mutant.function, mutant.what) for mutant in mutants(tmp_path, code)] == [("C.m", "4  ->  5")]


def test_the_lines_of_a_mutant_are_those_of_its_statement(tmp_path: Path) -> None:
    code = "def f(a):\n    if (a\n            > 1):\n        return g(\n            2)\n"
    assert {(mutant.lines.start, mutant.lines.stop) for mutant in mutants(tmp_path, code)} == {(2, 4), (4, 6)}


def test_every_mutant_of_the_domain_is_another_program(tmp_path: Path) -> None:
    path = Path(__file__).parents[3] / "src/talaria/domain/routing.py"
    plain = ast.dump(Source(path).tree)
    count = len(list(Source(path).mutants()))
    assert count > 20
    for number in range(count):
        source = Source(path)
        list(source.mutants())[number].apply()
        compile(source.tree, str(path), "exec")
        assert ast.dump(source.tree) != plain
