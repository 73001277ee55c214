"""A route may name every method that the server can read."""

import string

import httptools
import pytest

from talaria.domain.routing import ANY_METHOD
from tests.unit.entrypoints.config.conftest import Bench


def is_read(method: str) -> bool:
    """Whether the server's parser takes a request of this method."""
    try:
        httptools.HttpRequestParser(object()).feed_data(f"{method} / HTTP/1.1\r\nhost: a\r\n\r\n".encode())
    except httptools.HttpParserError:
        return False
    return True


def test_the_list_is_what_the_parser_reads() -> None:
    assert [method for method in sorted(ANY_METHOD) if not is_read(method)] == []
    assert not ANY_METHOD & {"CONNECT", "TRACE"}


@pytest.mark.parametrize("method", ["PROPFIND", "M-SEARCH", "PURGE", "QUERY"])
def test_a_route_of_another_method(bench: Bench, method: str) -> None:
    assert bench.load({"routes.wind.methods": [method]}).routes["wind"].methods == (method,)


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "propfind", "FOO", "GET ", string.ascii_uppercase])
def test_what_never_comes_in_is_refused(bench: Bench, method: str) -> None:
    assert list(bench.problems({"routes.wind.methods": [method]})) == ["routes.wind.methods[0]"]
