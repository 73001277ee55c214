"""Which route an `x-api-tag` names, and whether the route takes a method."""

from collections.abc import Mapping

from talaria.domain.errors import (
    AmbiguousApiTag,
    MethodNotAllowed,
    MethodNotImplemented,
    MissingApiTag,
    UnknownApiTag,
)
from talaria.domain.model import Route

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""What `allow` names where a route takes every method."""

_RARE = (
    "ACL BIND CHECKOUT COPY LINK LOCK M-SEARCH MERGE MKACTIVITY MKCALENDAR MKCOL MOVE NOTIFY PROPFIND PROPPATCH PURGE"
    " QUERY REBIND REPORT SEARCH SOURCE SUBSCRIBE UNBIND UNLINK UNLOCK UNSUBSCRIBE"
)
ANY_METHOD = METHODS | frozenset(_RARE.split())
"""What a route may name: every method that the parser knows, but for the two that no route takes."""

_NEVER = frozenset({"CONNECT", "TRACE"})


def find_route(routes: Mapping[bytes, Route], tags: list[bytes]) -> Route:
    """The route that the `x-api-tag` lines name.

    Raises MissingApiTag (none, or an empty one), AmbiguousApiTag (several, or a list), UnknownApiTag.
    """
    if len(tags) > 1:
        raise AmbiguousApiTag
    tag = tags[0] if tags else b""
    route = routes.get(tag)
    if route is not None:
        return route
    if not tag:
        raise MissingApiTag
    if b"," in tag:
        raise AmbiguousApiTag
    raise UnknownApiTag


def check_known_method(method: str) -> None:
    """Raises MethodNotAllowed for the methods that no route takes (CONNECT and TRACE), MethodNotImplemented for what is
    no method of HTTP.
    """
    if method in _NEVER:
        raise MethodNotAllowed(METHODS)
    if method not in ANY_METHOD:
        raise MethodNotImplemented(method)


def check_method(route: Route, method: str) -> None:
    """Raises MethodNotAllowed where the route names its methods and this is none of them."""
    if not route.takes(method):
        raise MethodNotAllowed(route.methods)
