"""Which path the requests of the suites take: `pytest --fast-path off` serves everything by the slow one."""

import pytest

_OPTION = "--fast-path"
_chosen = ["on"]


def add_option(parser: pytest.Parser) -> None:
    """Add `--fast-path`, for another run of the suites of the gateway, of attacks and of faults."""
    help = "whether plain requests of gateways under test may take the fast path"
    parser.addoption(_OPTION, choices=("on", "off"), default="on", help=help)


def choose(config: pytest.Config) -> None:
    """Take what the command line says."""
    _chosen[:] = [config.getoption(_OPTION, "on")]  # a session of another root knows no such option


def fast_path() -> bool:
    """The setting `server.fast_path` of a gateway under test, where the test is not about it."""
    return _chosen == ["on"]
