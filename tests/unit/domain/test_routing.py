"""Step 1: the tag's rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talaria.domain.errors import (
    AmbiguousApiTag,
    MethodNotAllowed,
    MethodNotImplemented,
    MissingApiTag,
    Refusal,
    UnknownApiTag,
)
from talaria.domain.model import Partner, Route
from talaria.domain.routing import METHODS, check_known_method, check_method, find_route
from tests.support_rows import each_row

WIND = Route("wind", Partner("wind", b"x-wind-user-id"), "talaria-services", frozenset({"app"}))
BOLT = Route("bolt", Partner("bolt", b"x-bolt-user-id"), "talaria-services", frozenset({"app"}))
ROUTES = {b"wind": WIND, b"bolt": BOLT}


def test_a_tag_names_its_route() -> None:
    assert find_route(ROUTES, [b"bolt"]) is BOLT


@each_row(
    ("tags", "refusal"),
    [
        ([], MissingApiTag),
        ([b""], MissingApiTag),
        ([b"wind", b"wind"], AmbiguousApiTag),
        ([b"wind", b"bolt"], AmbiguousApiTag),
        ([b"", b"wind"], AmbiguousApiTag),
        ([b"wind", b""], AmbiguousApiTag),
        ([b"wind,bolt"], AmbiguousApiTag),
        ([b"wind, wind"], AmbiguousApiTag),
        ([b","], AmbiguousApiTag),
        ([b"wind,"], AmbiguousApiTag),
        ([b"Wind"], UnknownApiTag),
        ([b"WIND"], UnknownApiTag),
        ([b"win"], UnknownApiTag),
        ([b"wind "], UnknownApiTag),
        ([b"wind\x00"], UnknownApiTag),
        ([b"wind;v=1"], UnknownApiTag),
        ([b'"wind"'], UnknownApiTag),
        ([b"w%69nd"], UnknownApiTag),
        ([b"../wind"], UnknownApiTag),
        ([b"\xff\xfe"], UnknownApiTag),
        ([b"x" * 30_000], UnknownApiTag),
    ],
)
def test_a_tag_that_names_none(tags: list[bytes], refusal: type[Refusal]) -> None:
    with pytest.raises(refusal) as caught:
        find_route(ROUTES, tags)
    assert "wind" not in str(caught.value)
    assert "bolt" not in str(caught.value)


@given(st.lists(st.binary(max_size=6) | st.sampled_from([b"wind", b"bolt"]), max_size=3))
def test_a_route_is_found_by_exactly_one_exact_tag_or_not_at_all(tags: list[bytes]) -> None:
    try:
        route = find_route(ROUTES, tags)
    except (MissingApiTag, AmbiguousApiTag, UnknownApiTag):
        assert tags not in ([b"wind"], [b"bolt"])
    else:
        assert tags == [route.tag.encode()]


@pytest.mark.parametrize("method", ["CONNECT", "TRACE"])
def test_tunnels_are_refused(method: str) -> None:
    with pytest.raises(MethodNotAllowed) as caught:
        check_known_method(method)
    assert caught.value.allow == METHODS
    assert method not in caught.value.allow


@pytest.mark.parametrize("method", ["DESCRIBE", "FLUSH", "PRI", "LIST", "get", ""])
def test_a_method_that_is_none_of_http_is_not_implemented(method: str) -> None:
    with pytest.raises(MethodNotImplemented):
        check_known_method(method)


@pytest.mark.parametrize("method", [*sorted(METHODS), "PROPFIND", "M-SEARCH"])
def test_a_route_without_methods_takes_every_one(method: str) -> None:
    check_known_method(method)
    check_method(WIND, method)


def test_a_route_with_methods_takes_no_other() -> None:
    route = Route("r", WIND.partner, "talaria-services", frozenset(), frozenset({"GET", "POST"}))
    check_method(route, "POST")
    for method in ("PUT", "HEAD", "get"):
        with pytest.raises(MethodNotAllowed) as caught:
            check_method(route, method)
        assert caught.value.allow == {"GET", "POST"}
