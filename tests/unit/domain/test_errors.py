"""The tree of refusals: each has a reason, an origin and perhaps a time to try again."""

from typing import get_args

import pytest

from talaria.domain import errors
from talaria.domain.errors import (
    PARTNER,
    PERSONAL,
    BadAnswer,
    CircuitOpen,
    ClientFault,
    ClientGone,
    DependencyFault,
    DependencyFaults,
    GatewayFault,
    MethodNotAllowed,
    Overloaded,
    PartnerBadAnswer,
    Refusal,
    TimedOut,
    Unreachable,
    faults_of,
)
from talaria.domain.model import Origin
from tests.support_refusals import FAULTS, MAKERS, kinds, leaves
from tests.support_rows import each_row

KINDS: dict[type[DependencyFault], str] = {
    Unreachable: "unreachable",
    BadAnswer: "bad-answer",
    TimedOut: "timeout",
    Overloaded: "overloaded",
}
every_reason = each_row("reason", MAKERS)
every_leaf = each_row("kind", leaves(Refusal))


@every_reason
def test_a_refusal_has_a_plain_reason_and_a_known_origin(reason: str) -> None:
    refusal = MAKERS[reason]("why", retry_after=2.0)
    assert (refusal.reason, refusal.cause, refusal.retry_after) == (reason, "why", 2.0)
    assert reason == reason.lower().strip()
    assert refusal.origin in get_args(Origin)


def test_no_two_kinds_share_a_reason() -> None:
    reasons = [kind.reason for base in (ClientFault, GatewayFault) for kind in kinds(base) if kind.reason]
    assert len(set(reasons)) == len(reasons) == len(leaves(ClientFault)) + len(leaves(GatewayFault))


def test_the_reason_of_a_fault_is_its_origin_and_its_kind() -> None:
    assert Unreachable("personal").reason == "personal-unreachable"
    assert {fault(origin).reason for origin, faults in FAULTS.items() for fault in faults} == {
        f"{origin}-{KINDS[fault]}" for origin, faults in FAULTS.items() for fault in faults
    }


def test_what_an_adapter_raises_is_the_partners_bad_answer() -> None:
    refusal = PartnerBadAnswer("no user id", retry_after=1.0)
    assert (refusal.reason, refusal.origin, refusal.cause) == ("partner-bad-answer", "partner", "no user id")
    assert refusal.retry_after == 1.0
    assert isinstance(refusal, BadAnswer)


@pytest.mark.parametrize("origin", ["personal", "partner"])
def test_the_faults_of_an_origin_are_one_of_each_kind(origin: Origin) -> None:
    faults = faults_of(origin)
    made = [make("why", retry_after=1.0) for make in faults[1:]]
    assert [fault.reason for fault in made] == [f"{origin}-{KINDS[kind]}" for kind in FAULTS[origin]]
    assert {(fault.origin, fault.cause, fault.retry_after) for fault in made} == {(origin, "why", 1.0)}
    assert faults.origin == origin


@every_leaf
def test_a_name_stands_in_the_tree_of_the_docstring(kind: type[Refusal]) -> None:
    assert kind.__name__ in (errors.__doc__ or "")


@every_reason
def test_client_faults_are_the_clients(reason: str) -> None:
    refusal = MAKERS[reason]()
    assert isinstance(refusal, ClientFault) == (refusal.origin == "client")


@pytest.mark.parametrize(("faults", "origin"), [(PERSONAL, "personal"), (PARTNER, "partner")])
def test_the_faults_of_a_dependency_are_its_own(faults: DependencyFaults, origin: str) -> None:
    assert [fault().origin for fault in faults[1:]] == [origin] * 4


def test_an_open_circuit_has_the_origin_of_its_dependency() -> None:
    first, second = CircuitOpen("personal"), CircuitOpen("upstream", "10.0.0.1:80", retry_after=2.0)
    assert (first.origin, first.retry_after, first.cause) == ("personal", None, "")
    assert (second.origin, second.retry_after, str(second)) == ("upstream", 2.0, "10.0.0.1:80")


def test_a_refused_method_knows_the_allowed_ones() -> None:
    assert MethodNotAllowed(frozenset({"GET"})).allow == {"GET"}


def test_a_client_that_left_is_no_refusal() -> None:
    assert not issubclass(ClientGone, Refusal)
