"""How a mutant takes the place of its function, which tests it has to meet, and what is told in the end."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from talaria.domain import routing
from talaria.domain.errors import UnknownApiTag
from talaria.domain.resilience import CircuitBreaker
from tools.mutants import ROOT, Run, Tally, _tests_of, equivalent_mutants, files_of, replace_code, report
from tools.mutations import Mutant, Source

ROUTING = ROOT / "src/talaria/domain/routing.py"


@pytest.fixture
def restored() -> Iterator[None]:
    """The functions that a test replaces get their own code back."""
    functions = [routing.find_route, CircuitBreaker.refused_for]
    codes = [function.__code__ for function in functions]
    yield
    for function, code in zip(functions, codes, strict=True):
        function.__code__ = code


def mutant_of(source: Source, function: str, what: str) -> Mutant:
    return next(mutant for mutant in source.mutants() if (mutant.function, mutant.what) == (function, what))


@pytest.mark.usefixtures("restored")
def test_a_function_becomes_its_mutant_for_every_module_that_imports_it() -> None:
    find_route = routing.find_route
    source = Source(ROUTING)
    replace_code(source, mutant_of(source, "find_route", "raise AmbiguousApiTag  ->  pass"))
    with pytest.raises(UnknownApiTag):
        find_route({}, [b"a", b"b"])


@pytest.mark.usefixtures("restored")
def test_a_method_too() -> None:
    source = Source(ROOT / "src/talaria/domain/resilience.py")
    replace_code(source, mutant_of(source, "CircuitBreaker.refused_for", "return 0.0  ->  return None"))
    assert CircuitBreaker().refused_for(1.0) is None


def test_a_function_that_is_not_there_is_said() -> None:
    source = Source(ROUTING)
    with pytest.raises((LookupError, AttributeError)):
        replace_code(source, Mutant("no_such_function", range(1, 2), "", lambda: None))


@dataclass
class Item:
    path: Path


def test_the_tests_of_the_nearest_file_come_first_and_of_those_the_quick_ones() -> None:
    names = ["adapters/test_a", *(f"domain/test_{name}" for name in ("exchange", "routing", "routing_more", "x"))]
    items = [Item(ROOT / f"tests/unit/{name}.py") for name in names]
    runs = [Run(seconds, {str(ROUTING): {7, 8}}) for seconds in (0.1, 0.2, 3.0, 1.0, 0.1)]
    runs[4] = Run(0.1, {str(ROUTING): {99}})
    mutant = Mutant("find_route", range(8, 10), "", lambda: None)
    assert _tests_of(Source(ROUTING), mutant, items, runs) == [3, 2, 1, 0]  # type: ignore[arg-type]


def test_what_is_told() -> None:
    survivor, unreached = (Mutant("f", range(line, line + 1), f"{line}", lambda: None) for line in (5, 3))
    lines = list(report({ROUTING: Tally(noticed=7, late=1, survivors=[survivor], unreached=[unreached], left=2)}))
    assert lines[:2] == ["domain/routing.py:3: no test: f: 3", "domain/routing.py:5: survives: f: 5"]
    assert [line.split() for line in lines[-2:]] == [
        ["domain/routing.py", "10", "7", "1", "2", "80.0%"],
        ["all", "10", "7", "1", "2", "80.0%"],
    ]


def test_a_file_without_mutants_is_no_blemish() -> None:
    assert Tally().score == 100.0


def test_what_is_meant_by_a_name() -> None:
    assert list(files_of(["domain/routing.py"])) == [ROUTING]
    assert ROUTING in files_of(["domain"])


def test_each_mutant_that_is_listed_as_equivalent_is_there() -> None:
    listed = equivalent_mutants()
    there = {path: set(map(str, Source(ROOT / "src/talaria" / path).mutants())) for path in listed}
    assert {path: mutants - there[path] for path, mutants in listed.items() if mutants - there[path]} == {}
