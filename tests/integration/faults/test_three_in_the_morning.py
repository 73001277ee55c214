"""Whatever breaks is seen within five seconds, with its owner: on the page, in the lines, by `explain`.

One gateway of one worker and one of two, and one thing after the other that breaks and is mended.
"""

import asyncio
import html
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from talaria.sandbox.faults import Faults
from talaria.sandbox.service import SimulatedService
from talaria.sandbox.stack import Sandbox, running_sandbox
from tests.integration.faults.support_processes import Served, serving
from tests.integration.support_command import talaria
from tests.support_waiting import until

SECONDS = 5.0
HANGS = Faults(error_rate=1, hang=True)
REFUSES_US = Faults(error_rate=1, status=401)
BUSY = Faults(error_rate=1, status=503)
CONFUSED = Faults(error_rate=1, status=200, body="<html>")
RESETS = Faults(error_rate=1, reset=True)
OVER = {"iat": 1_000_000_000, "exp": 1_000_003_600}
TIMES = {
    "personal": {"timeout": "1500ms"},
    "partners": {"wind": {"timeout": "1500ms"}},
    "routes": {"wind": {"timeout": "4s"}},
}


@dataclass(frozen=True, slots=True)
class Broken:
    """Something that breaks: the service that has `faults`, and what is to be said of it.

    `origin` owns it.
    """

    service: Callable[[Sandbox], SimulatedService]
    faults: Faults
    dependency: str
    origin: str
    reason: str
    cause: str


def personal(sandbox: Sandbox) -> SimulatedService:
    return sandbox.personal


def wind(sandbox: Sandbox) -> SimulatedService:
    return sandbox.wind


def services(sandbox: Sandbox) -> SimulatedService:
    return sandbox.talaria_services


BREAKAGES = {
    "personal hangs": Broken(personal, HANGS, "personal", "personal", "personal-timeout", "no answer in time"),
    "personal resets": Broken(personal, RESETS, "personal", "personal", "personal-unreachable", ""),
    "personal refuses our token": Broken(
        *(personal, REFUSES_US, "personal", "personal", "personal-bad-answer", "our credentials were refused")
    ),
    "personal is busy": Broken(personal, BUSY, "personal", "personal", "personal-overloaded", "status 503"),
    "personal is another program": Broken(personal, CONFUSED, "personal", "personal", "personal-bad-answer", "JSON"),
    "wind hangs": Broken(wind, HANGS, "wind", "partner", "partner-timeout", "no answer in time"),
    "wind resets": Broken(wind, RESETS, "wind", "partner", "partner-unreachable", ""),
    "wind refuses our key": Broken(
        *(wind, REFUSES_US, "wind", "partner", "partner-bad-answer", "our credentials were refused")
    ),
    "wind is busy": Broken(wind, BUSY, "wind", "partner", "partner-overloaded", "status 503"),
    "the upstream hangs": Broken(services, HANGS, "talaria-services", "upstream", "upstream-timeout", ""),
    "the upstream resets": Broken(services, RESETS, "talaria-services", "upstream", "upstream-unreachable", ""),
}


class Night:
    """A gateway that is watched."""

    def __init__(self, sandbox: Sandbox, served: Served, client: httpx.AsyncClient) -> None:
        self.sandbox, self.served, self.client = sandbox, served, client

    async def ask(self, person: str) -> httpx.Response:
        """One request of a person, on a connection of its own: any worker may get it."""
        headers = {**self.sandbox.headers(person), "connection": "close"}
        return await self.client.get(f"{self.sandbox.public_url}/echo", headers=headers)

    async def trouble(self, dependency: str) -> dict[str, Any]:
        """What readiness says of a dependency."""
        told = (await self.client.get(f"{self.served.ops_url}/readyz")).json()
        found = [one for one in told["routes"][0]["dependencies"] if one["name"].partition(" ")[0] == dependency]
        return dict(found[0])

    async def headline(self) -> str:
        """The largest words of the page."""
        return html.unescape((await self.client.get(f"{self.served.ops_url}/")).text.partition("<h1>")[2]).partition(
            "<"
        )[0]

    async def line(self, request_id: str) -> dict[str, Any]:
        """The line of this request, once it is written."""
        await until(lambda: any(one.get("request_id") == request_id for one in self.lines()), SECONDS)
        return next(one for one in self.lines() if one.get("request_id") == request_id)

    def lines(self) -> list[dict[str, Any]]:
        """What the gateway wrote so far."""
        return [json.loads(line) for line in self.served.log.read_text().splitlines() if line.endswith("}")]

    async def seen(self, broken: Broken, request_id: str) -> None:
        """Wait until page and lines tell of this failure."""
        while True:
            told = await self.trouble(broken.dependency)
            page = html.unescape((await self.client.get(f"{self.served.ops_url}/")).text)
            lines = [line for line in self.lines() if line.get("request_id") == request_id]
            shown = request_id in page and told["cause"] in page  # it is made at most twice a second
            if told["state"] not in ("ok", "not asked yet") and shown and lines:
                assert (lines[0]["origin"], lines[0]["reason"]) == (broken.origin, broken.reason)
                assert broken.cause in lines[0]["cause"]
                assert broken.cause in told["cause"]
                return
            await asyncio.sleep(0.05)  # the workers tell the operators' process at a pace of their own

    async def well(self, dependency: str, persons: list[str]) -> None:
        """Wait until it serves again: each worker's breaker has to see it."""
        async with asyncio.timeout(40):
            while (await self.trouble(dependency))["state"] not in ("ok", "not asked yet"):
                await self.ask(persons.pop())
                await asyncio.sleep(0.2)  # a breaker lets one call through now and then


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["1", "2"])
async def night(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Night]:
    folder: Path = tmp_path_factory.mktemp("night")
    async with (
        running_sandbox(gateway=False, config=TIMES) as sandbox,
        serving(sandbox, folder / "log", workers=request.param) as served,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        yield Night(sandbox, served, client)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", BREAKAGES)
async def test_what_breaks_is_seen_with_its_owner(night: Night, name: str) -> None:
    broken = BREAKAGES[name]
    persons = night.sandbox.add_persons(300)
    service = broken.service(night.sandbox)
    service.faults = broken.faults
    try:
        failed = await night.ask(persons.pop())
        assert failed.status_code >= 500
        request_id = failed.headers["x-request-id"]
        async with asyncio.timeout(SECONDS):
            await night.seen(broken, request_id)
        explained = await talaria("explain", request_id, "--ops", night.served.ops_url)
        owner = {"partner": "the partner", "upstream": "the upstream"}.get(broken.origin, broken.origin)
        assert f"Origin: {owner}." in explained
        assert broken.reason in explained
        assert broken.cause in explained
    finally:
        service.faults = Faults()
    await night.well(broken.dependency, persons)


@pytest.mark.asyncio(loop_scope="module")
async def test_an_upstream_that_fails_by_itself_is_named(night: Night) -> None:
    night.sandbox.talaria_services.faults = Faults(next_failures=1, status=500)
    failed = await night.ask(night.sandbox.add_persons(1)[0])
    request_id = failed.headers["x-request-id"]
    explained = await talaria("explain", request_id, "--ops", night.served.ops_url)
    assert "Origin: the upstream." in explained
    assert "passed on" in explained


@pytest.mark.asyncio(loop_scope="module")
async def test_the_largest_words_name_the_origin_of_failures_and_forget_them_soon(night: Night) -> None:
    async def said() -> bool:
        await night.ask(person)
        return "of requests fail (by upstream)" in await night.headline()

    async def over() -> bool:
        return await night.headline() == "serving"

    person = night.sandbox.add_persons(1)[0]
    night.sandbox.talaria_services.faults = Faults(error_rate=1, status=500)
    await until(said, SECONDS)
    night.sandbox.talaria_services.faults = Faults()
    await until(over)


@pytest.mark.asyncio(loop_scope="module")
async def test_an_upstream_that_refuses_our_service_token_is_said(night: Night) -> None:
    async def said() -> bool:
        assert (await night.ask(person)).status_code == 401
        return "of requests answered 401 by the upstream" in await night.headline()

    person = night.sandbox.add_persons(1)[0]
    night.sandbox.talaria_services.faults = Faults(error_rate=1, status=401)
    try:
        await until(said, SECONDS)
    finally:
        night.sandbox.talaria_services.faults = Faults()


@pytest.mark.asyncio(loop_scope="module")
async def test_what_retries_still_mend_is_said(night: Night) -> None:
    async def said() -> bool:
        return "of calls to personal fail" in await night.headline()

    night.sandbox.personal.faults = Faults(next_failures=2, status=503)
    assert (await night.ask(night.sandbox.add_persons(1)[0])).status_code == 200
    await until(said, SECONDS)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("claims", "reason"), [({"aud": "another"}, "invalid-token"), (OVER, "expired-token")])
async def test_a_refused_token_is_a_caller_s(night: Night, claims: dict[str, Any], reason: str) -> None:
    headers = {**night.sandbox.headers(), "authorization": f"Bearer {night.sandbox.token(**claims)}"}
    refused = await night.client.get(f"{night.sandbox.public_url}/echo", headers=headers)
    request_id = refused.headers["x-request-id"]
    line = await night.line(request_id)
    assert (line["status"], line["reason"], line["origin"], line["caller"]) == (401, reason, "client", "app")
    listed = await talaria("explain", "--status", "401", "--caller", "app", "--ops", night.served.ops_url)
    assert request_id in listed


@pytest.mark.asyncio(loop_scope="module")
async def test_a_rotation_that_the_issuer_does_not_serve_is_seen_and_so_is_its_end(night: Night) -> None:
    async def seen() -> bool:
        refused = await night.ask(person)
        told = await night.trouble("caller-keys:app")
        assert refused.json()["reason"] == "invalid-token"
        return told["state"] == "failing" and "caller-keys:app failing" in await night.headline()

    async def over() -> bool:
        served = (await night.ask(person)).status_code == 200
        return served and (await night.trouble("caller-keys:app"))["state"] == "ok"

    person, issuer = night.sandbox.add_persons(1)[0], night.sandbox.issuer
    assert (await night.ask(person)).status_code == 200
    issuer.kid, issuer.faults = "app-2", Faults(error_rate=1, status=500)
    try:
        line = await night.line((await night.ask(person)).headers["x-request-id"])
        assert (line["reason"], line["cause"], line["caller"]) == ("invalid-token", "kid unknown", "app")
        await until(seen, SECONDS)
    finally:
        issuer.faults = Faults()
    await until(over, 25)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_slow_hop_is_found_in_the_line(night: Night) -> None:
    night.sandbox.wind.faults = Faults(latency=0.2)
    answer = await night.ask(night.sandbox.add_persons(1)[0])
    night.sandbox.wind.faults = Faults()
    assert answer.status_code == 200
    found = await night.line(answer.headers["x-request-id"])
    assert found["partner_ms"] > max(200.0, found["personal_ms"], found["upstream_ms"])


@pytest.mark.asyncio(loop_scope="module")
async def test_a_reload_that_is_refused_is_seen_with_every_problem(night: Night) -> None:
    config = night.sandbox.config_path
    good = config.read_text()
    config.write_text(good.replace("[routes.wind]", '[routes.wind]\nmethods = ["get"]', 1))
    await night.client.put(f"{night.served.ops_url}/reload")
    config.write_text(good)
    async with asyncio.timeout(SECONDS):
        while not (await night.client.get(f"{night.served.ops_url}/readyz")).json()["configuration"]:
            await asyncio.sleep(0.05)
    told = (await night.client.get(f"{night.served.ops_url}/readyz")).json()["configuration"]
    assert told["last_reload_ok"] is False
    assert any("routes.wind.methods" in str(line.get("problems")) for line in night.lines())
    await night.client.put(f"{night.served.ops_url}/reload")
