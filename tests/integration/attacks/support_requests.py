"""Requests as bytes from their declarations in `cases/`: names, tags, targets and framings."""

import random
from typing import Any

from tests.integration.attacks.support_cases import Case

PROTECTED = (
    "x-wind-user-id", "x-talaria-identity", "x-talaria-unknown-user", "x-talaria", "authorization", "x-api-key",
    "x-api-tag", "x-request-id", "forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "traceparent",
    "tracestate", "via", "x-request-timeout-ms", "content-length", "transfer-encoding", "connection", "keep-alive",
    "proxy-authorization", "te", "trailer", "upgrade", "expect", "host",
)  # fmt: skip
_ODD = "!#$%&'*+.^_`|~-"


def spellings(chance: random.Random, count: int) -> list[str]:
    """Names that the laxest of servers takes for protected ones; none is one of them as it is."""
    names = set[str]()
    while len(names) < count:
        name = _spelt(chance.choice(PROTECTED), chance)
        if name.lower() not in PROTECTED:
            names.add(name)
    return sorted(names)


def _spelt(name: str, chance: random.Random) -> str:
    spelt = ""
    for letter in name:
        odd = chance.choice(_ODD) if letter == "-" or chance.random() < 0.1 else ""
        spelt += odd if letter == "-" else chance.choice((letter, letter.upper())) + odd
    return chance.choice(("", "", chance.choice(_ODD))) + spelt + chance.choice(("", chance.choice(_ODD)))


def raw_of(case: Case, token: str) -> bytes:
    """The bytes of a case, for the person of this token."""
    if "raw" in case.more:
        text = case.text("raw")
    else:
        first = case.text("first", f"{case.text('method', 'GET')} {case.text('target', '/')} HTTP/1.1")
        text = "\r\n".join([first, *_lines(case), "", ""]) + case.text("body")
    for mark, meaning in {"FILL": case.filling, "{good}": _good(token), **_good_lines(token)}.items():
        text = text.replace(mark, meaning)
    return text.encode("latin-1")


def _lines(case: Case) -> list[str]:
    if "only" in case.more:
        return case.lines("only")
    tags: list[Any] = case.more.get("tags", ["wind"])
    tag_lines = [f"x-api-tag: {tag}" for tag in tags] * int(case.more.get("times", 1))
    return ["{host}", *tag_lines, "{token}", *case.lines()]


def _good_lines(token: str) -> dict[str, str]:
    return {
        "{host}": "host: door.example",
        "{tag}": "x-api-tag: wind",
        "{token}": f"authorization: Bearer {token}",
    }


def _good(token: str) -> str:
    return "\r\n".join(["GET /after HTTP/1.1", *_good_lines(token).values(), "", ""])
