"""Several processes share the tests of one run (pytest-xdist): what each of them saw comes to the one that reports.

Neither the exit status of a worker nor what stands in its memory reaches that one by itself.
"""

from typing import Any

import pytest

from tests.support_printed import Printed


class Gathering:
    """The plugin: a worker sends what it saw when it ends, and the process that reports adds it to its own."""

    def __init__(self, printed: Printed, repetitions: list[str]) -> None:
        self._printed = printed
        self._repetitions = repetitions

    @pytest.hookimpl
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """In a worker: send."""
        output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
        if output is not None:
            output["printed"] = dict(self._printed.characters), self._printed.found
            output["repetitions"] = self._repetitions

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """In the process that reports: add. What a worker printed that died is not known, and so not in order."""
        output: dict[str, Any] = getattr(node, "workeroutput", {})
        if "printed" not in output:
            self._printed.found.append(f"{node.gateway.id} died, and what it printed is not known")
            return
        characters, found = output["printed"]
        self._printed.characters.update(characters)
        self._printed.found.extend(found)
        self._repetitions.extend(output["repetitions"])
