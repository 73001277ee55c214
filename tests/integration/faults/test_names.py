"""A name server that is silent about one dependency does not delay the others."""

import asyncio
import socket
from threading import Event
from typing import Any

import pytest

from tests.integration.faults.support_faults import harness
from tests.integration.faults.support_relay import relay
from tests.support_waiting import PATIENCE

SILENT = "silent.example"
BOLT = {
    "adapter": "wind",
    "timeout": PATIENCE,
    "user_id_header": "x-bolt-user-id",
    "api_key": {"file": "secrets/wind-api-key"},
}


async def test_a_name_without_an_answer_fails_its_own_dependency_only(monkeypatch: pytest.MonkeyPatch) -> None:
    over = Event()

    def look_up(host: str, *args: Any, **kwargs: Any) -> Any:
        if host == SILENT and not kwargs.get("flags"):
            over.wait(20)
        return found(host, *args, **kwargs)

    found = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    async with relay() as beside:
        bolt = {**BOLT, "url": beside.url.replace("127.0.0.1", "localhost")}
        config = {
            "partners": {"wind": {"url": f"http://{SILENT}", "timeout": "2s"}, "bolt": bolt},
            "routes": {"bolt": {"partner": "bolt", "upstream": "talaria-services", "timeout": PATIENCE}},
        }
        async with harness(config) as running:
            beside.target = running.sandbox.wind.url
            strangers, others = running.sandbox.add_persons(40), running.sandbox.add_persons(10)
            hanging = asyncio.gather(*(running.get(person) for person in strangers))
            seen = [await running.get(person, tag="bolt") for person in others]
            assert {one.outcome for one in seen} == {(200, "")}
            assert {one.outcome for one in await hanging} <= {(504, "partner-timeout"), (503, "circuit-open")}
            over.set()
