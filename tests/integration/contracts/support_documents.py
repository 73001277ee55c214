"""The pages of docs/contracts: their blocks of code, their tables, their OpenAPI documents."""

import re
from pathlib import Path
from typing import Any

import schemathesis

CONTRACTS = Path(__file__).parents[3] / "docs" / "contracts"


def block(page: str, language: str) -> str:
    """The only block of this language on a page."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", (CONTRACTS / page).read_text(), re.DOTALL)
    return str(found)


def first_cells(page: str, header: str) -> list[list[str]]:
    """What stands in backticks in the first cell of each row, of the table with this first cell in its head."""
    lines = iter((CONTRACTS / page).read_text().splitlines())
    for line in lines:
        if line.startswith(f"| {header} |"):
            break
    next(lines)
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append(re.findall(r"`([^`]+)`", line.split("|")[1]))
    return rows


def openapi(name: str) -> Any:
    """A document of schemathesis, valid."""
    document = schemathesis.openapi.from_path(CONTRACTS / name)
    document.validate()
    return document


def operation(name: str, path: str = "") -> Any:
    """The operation of a document at this path; without one, its first."""
    found = [one.ok() for one in openapi(name).get_all_operations()]
    return next(one for one in found if path in ("", one.path))
