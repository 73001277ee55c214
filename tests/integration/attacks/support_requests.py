"""Requests as bytes from their declarations in `cases/`: names, tags, targets and framings."""

from typing import Any

from tests.integration.attacks.support_cases import Case


def raw_of(case: Case, token: str) -> bytes:
    """The bytes of a case, for the person of this token."""
    if "raw" in case.more:
        text = case.text("raw")
    else:
        first = case.text("first", f"{case.text('method', 'GET')} {case.text('target', '/')} HTTP/1.1")
        text = "\r\n".join([first, *_lines(case), "", ""]) + case.text("body")
    fill = "x" * int(case.more.get("length", 0))
    for mark, meaning in {**_good_lines(token), "{good}": _good(token), "FILL": fill}.items():
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
