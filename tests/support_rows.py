"""Many rows of one table in one test: each is tried, and the failure names every row that failed.

For rows of which each takes less time than pytest takes for a test.
"""

import functools
import inspect
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from types import TracebackType
from typing import Any, cast


class Rows:
    """`with Rows() as rows:`, and for each row `with rows.row(name):`. It fails in the end if one of them did."""

    def __init__(self) -> None:
        self._tried = 0
        self._failed: list[Exception] = []

    def __enter__(self) -> "Rows":
        return self

    @contextmanager
    def row(self, name: object) -> Generator[None]:
        """What this row raises is kept, with its name."""
        self._tried += 1
        try:
            yield
        except Exception as error:
            error.add_note(f"the row: {name}")
            self._failed.append(error)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None:
            return
        assert self._tried, "a table without rows"
        if self._failed:
            raise ExceptionGroup(f"{len(self._failed)} of {self._tried} rows failed", self._failed)


def each_row(
    names: str | tuple[str, ...], table: Iterable[Any]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """As `pytest.mark.parametrize`, but one test. Its fixtures are made once for all rows."""
    rows = [dict(zip(names, row, strict=True)) if isinstance(names, tuple) else {names: row} for row in table]

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def each(**fixtures: Any) -> None:
            with Rows() as tried:
                for row in rows:
                    with tried.row(row):
                        test(**fixtures, **row)

        signature = inspect.signature(test)
        fixtures = [one for name, one in signature.parameters.items() if name not in rows[0]]
        cast(Any, each).__signature__ = signature.replace(parameters=fixtures)
        return each

    return decorate
