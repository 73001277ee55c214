"""Every port has a version in memory and a contract, and each part of it is documented."""

import importlib
import inspect
import pkgutil
from typing import Any

import pytest

from talaria import testing
from talaria.domain import ports
from talaria.testing import contracts

PORTS = [port for port in vars(ports).values() if isinstance(port, type) and port.__module__ == ports.__name__]


def contract_names() -> set[str]:
    names: set[str] = set()
    for module in pkgutil.iter_modules(contracts.__path__):
        names |= set(vars(importlib.import_module(f"{contracts.__name__}.{module.name}")))
    return names


def test_the_ports_are_found() -> None:
    assert len(PORTS) >= 8


@pytest.mark.parametrize("port", PORTS, ids=lambda port: port.__name__)
def test_a_port_has_a_version_in_memory_with_its_methods(port: Any) -> None:
    memory = getattr(testing, f"Memory{port.__name__}")
    assert f"Memory{port.__name__}" in testing.__all__
    for name, method in methods(port).items():
        assert list(inspect.signature(getattr(memory, name)).parameters) == list(inspect.signature(method).parameters)


@pytest.mark.parametrize("port", PORTS, ids=lambda port: port.__name__)
def test_a_port_has_a_contract(port: Any) -> None:
    assert f"{port.__name__}Contract" in contract_names()


@pytest.mark.parametrize("port", PORTS, ids=lambda port: port.__name__)
def test_a_port_says_what_its_methods_do(port: Any) -> None:
    assert port.__doc__
    assert [name for name, method in methods(port).items() if not method.__doc__ and not name.startswith("__")] == []


def methods(port: Any) -> dict[str, Any]:
    """What the port itself declares."""
    return {
        name: value
        for name, value in vars(port).items()
        if inspect.isfunction(value) and (not name.startswith("_") or name == "__len__")
    }
