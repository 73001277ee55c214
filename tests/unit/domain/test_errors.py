"""The tree of refusals: each says what, whose fault and whether to try again."""

from collections.abc import Iterator
from typing import get_args

import pytest

from talaria.domain import errors
from talaria.domain.errors import PARTNER, PERSONAL, CircuitOpen, ClientGone, Faults, MethodNotAllowed, Refusal
from talaria.domain.model import Origin


def kinds(base: type[Refusal]) -> Iterator[type[Refusal]]:
    """The tree below one refusal."""
    for kind in base.__subclasses__():
        yield kind
        yield from kinds(kind)


LEAVES = [kind for kind in kinds(Refusal) if not kind.__subclasses__()]
by_name = pytest.mark.parametrize("kind", LEAVES, ids=lambda kind: kind.__name__)


@by_name
def test_a_leaf_has_a_reason_of_its_own_and_a_known_origin(kind: type[Refusal]) -> None:
    assert [other for other in kinds(Refusal) if other.reason == kind.reason] == [kind]
    assert kind.reason == kind.reason.lower().strip()
    assert kind is CircuitOpen or kind.origin in get_args(Origin)


def test_only_leaves_have_reasons() -> None:
    assert [kind for kind in kinds(Refusal) if kind.reason and kind not in LEAVES] == []


@by_name
def test_a_name_stands_in_the_tree_of_the_docstring(kind: type[Refusal]) -> None:
    assert kind.__name__ in (errors.__doc__ or "")


@by_name
def test_client_faults_are_the_clients(kind: type[Refusal]) -> None:
    if issubclass(kind, errors.ClientFault):
        assert kind.origin == "client"
    elif kind is not CircuitOpen:
        assert kind.origin != "client"


@pytest.mark.parametrize(("faults", "origin"), [(PERSONAL, "personal"), (PARTNER, "partner")])
def test_the_faults_of_a_dependency_are_its_own(faults: Faults, origin: str) -> None:
    assert [fault.origin for fault in faults] == [origin] * 4


def test_an_open_circuit_says_whose_it_is() -> None:
    first, second = CircuitOpen("personal"), CircuitOpen("upstream", "10.0.0.1:80", retry_after=2.0)
    assert (first.origin, first.retry_after, first.cause) == ("personal", None, "")
    assert (second.origin, second.retry_after, str(second)) == ("upstream", 2.0, "10.0.0.1:80")


def test_a_refused_method_knows_the_allowed_ones() -> None:
    assert MethodNotAllowed(frozenset({"GET"})).allow == {"GET"}


def test_a_client_that_left_is_no_refusal() -> None:
    assert not issubclass(ClientGone, Refusal)
