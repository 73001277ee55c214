"""For every test: examples are as many as the profile says, and what it prints is searched."""

import gc
import logging

import pytest

from tests import support_examples  # noqa: F401 - sets the profile before any test is read
from tests.support_printed import PRINTED, Records, Watch, search_what_tests_take


def pytest_configure(config: pytest.Config) -> None:
    """Search from now on."""
    config.pluginmanager.register(Watch(PRINTED), "printed")
    search_what_tests_take()
    logging.getLogger().addHandler(Records(PRINTED))
    logging.getLogger("talaria").setLevel(logging.INFO)  # as the program says it


def pytest_collection_finish() -> None:
    """Spare the garbage collector what stays to the end anyhow, all modules and tests: a tenth of the time."""
    gc.collect()
    gc.freeze()
