"""`pytest --talaria-partner comet`: the conformance suite of one partner, by its name.

It runs `async def` tests of contracts itself where no other plugin does. Without the option it does nothing else.
"""

import asyncio
import inspect
from pathlib import Path
from typing import Any

OPTION = "--talaria-partner"
SUITE = Path(__file__).parent / "suite" / "test_partner.py"


def pytest_addoption(parser: Any) -> None:
    """The option."""
    parser.getgroup("talaria").addoption(OPTION, default="", metavar="NAME", help="the conformance suite of a partner")


def pytest_configure(config: Any) -> None:
    """With the option, the suite is what is collected; a partner that can't be had is wrong usage."""
    name = config.getoption(OPTION)
    if not name:
        return
    import pytest  # imported where a suite is run, not with each plugin

    from talaria.adapters.partners import BadAdapter, find
    from talaria.sandbox.partner import simulator_of

    try:
        find(name), simulator_of(name)
    except (BadAdapter, LookupError) as error:
        raise pytest.UsageError(f"{OPTION} {name}: {error.args[0]}") from None
    config.args[:] = [str(SUITE)]


def pytest_generate_tests(metafunc: Any) -> None:
    """Tells the suite which partner it is for."""
    name = metafunc.config.getoption(OPTION)
    if name and metafunc.module.__name__.endswith("test_partner") and metafunc.cls is not None:
        metafunc.cls.choose(name)


def pytest_pyfunc_call(pyfuncitem: Any) -> bool | None:
    """Await a test of a contract."""
    from talaria.testing.contracts.dependencies import HopContract  # imported where a test is, not at each start

    kind = pyfuncitem.cls
    if kind is None or not issubclass(kind, HopContract) or not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    asyncio.run(pyfuncitem.obj())
    return True
