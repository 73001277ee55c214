"""A real Prometheus scrapes the gateway, evaluates the alert rules and answers every query of the dashboard."""

import asyncio
import shutil
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from deploy.grafana.dashboard import ROWS
from talaria.sandbox import fixtures
from talaria.sandbox.certificates import write_certificate
from talaria.sandbox.faults import Faults
from tests.real.deploy.support_deploy import DEPLOY
from tests.real.support_gateway_process import GatewayProcess, gateway_process
from tests.real.support_programs import program
from tests.real.support_running import free_port, running

SCRAPED_EVERY = "200ms"
EVALUATED_EVERY = "500ms"
SECONDS = 30.0


class Prometheus:
    """A running one. `url`: its API."""

    def __init__(self, url: str, client: httpx.AsyncClient) -> None:
        self.url, self._client = url, client

    async def api(self, path: str, **query: str) -> Any:
        """The data of an answer. Fails where Prometheus does not understand."""
        answer = (await self._client.get(f"{self.url}/api/v1/{path}", params=query)).json()
        assert answer["status"] == "success", answer
        return answer["data"]

    async def result(self, expr: str) -> list[Any]:
        """The series of an instant query."""
        found: list[Any] = (await self.api("query", query=expr))["result"]
        return found

    async def until(self, expr: str) -> None:
        """Wait until a query has a result."""
        async with asyncio.timeout(SECONDS):
            while not await self.result(expr):
                await asyncio.sleep(0.1)  # it scrapes at its own pace


@asynccontextmanager
async def prometheus_of(gateway: GatewayProcess, folder: Path) -> AsyncIterator[Prometheus]:
    """With the rules and the scrape configuration of deploy/, which name this gateway and a quicker pace."""
    shutil.copytree(DEPLOY / "prometheus", folder)
    config = folder / "prometheus.yml"
    text = config.read_text().replace("127.0.0.1:9090", gateway.ops.removeprefix("http://"))
    pace = f"scrape_interval: {SCRAPED_EVERY}\n  evaluation_interval: {EVALUATED_EVERY}"
    config.write_text(text.replace("scrape_interval: 15s", pace))
    port = free_port()
    arguments = [
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    async with (
        running("prometheus", program("prometheus"), *arguments, folder=folder, port=port),
        httpx.AsyncClient(trust_env=False) as client,
    ):
        found = Prometheus(f"http://127.0.0.1:{port}", client)
        await found.until("talaria_build_info")
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scraped(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[GatewayProcess, Prometheus]]:
    """For the tests that end neither of the two: it takes Prometheus five seconds to find what it scrapes."""
    folder = tmp_path_factory.mktemp("scraped")
    cert_file, key_file = write_certificate(folder, "ours")
    ours = {"personal": {"tls": {"cert_file": str(cert_file), "key_file": str(key_file)}}}
    async with gateway_process(folder, ours) as gateway, prometheus_of(gateway, folder / "prometheus") as prometheus:
        await traffic(gateway)
        await prometheus.until("talaria_5xx_total > 0")
        yield gateway, prometheus


async def traffic(gateway: GatewayProcess) -> None:
    """Hits and misses, a refusal, an answer that a retry mended, a failure of the partner."""
    services = gateway.sandbox
    async with httpx.AsyncClient(trust_env=False) as client:
        for person in (fixtures.ANNA, fixtures.ANNA, fixtures.GHOST):
            await client.get(f"{gateway.url}/echo", headers=services.headers(person))
        services.personal.faults = Faults(next_failures=1)
        await client.get(f"{gateway.url}/echo", headers=services.headers(fixtures.BORIS))
        services.wind.faults = Faults(error_rate=1.0)
        await client.get(f"{gateway.url}/echo", headers=services.headers(fixtures.CHLOE))
        services.wind.faults = Faults()


@pytest.mark.asyncio(loop_scope="module")
async def test_every_query_of_the_dashboard_is_answered(scraped: tuple[GatewayProcess, Prometheus]) -> None:
    gateway, prometheus = scraped
    await traffic(gateway)  # once more: a rate needs two values of one series
    await prometheus.until('rate(talaria_5xx_total{tag="wind"}[1m]) > 0')
    empty = []
    for panel in (panel for row in ROWS for panel in row.panels):
        for query in panel.queries:
            expr = query.expr.replace("$__rate_interval", "1m").replace("$tag", ".*")
            empty += [] if await prometheus.result(expr) else [f"{panel.title}: {expr}"]
    assert empty == []


@pytest.mark.asyncio(loop_scope="module")
async def test_every_rule_is_evaluated_without_a_complaint(scraped: tuple[GatewayProcess, Prometheus]) -> None:
    _, prometheus = scraped
    await prometheus.until("talaria:requests:rate5m")
    groups = (await prometheus.api("rules"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) == (DEPLOY / "prometheus" / "talaria.rules.yml").read_text().count("expr: ")
    assert [(rule["name"], rule["health"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"] == []
    assert [rule["name"] for rule in rules if rule["type"] == "alerting" and rule["state"] == "firing"] == []


@pytest.mark.asyncio(loop_scope="module")
async def test_what_is_scraped_is_taken_as_it_is_meant(scraped: tuple[GatewayProcess, Prometheus]) -> None:
    _, prometheus = scraped
    (target,) = (await prometheus.api("targets"))["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")
    kinds = {name: one[0]["type"] for name, one in (await prometheus.api("metadata")).items() if "talaria" in name}
    assert kinds["talaria_request_duration_seconds"] == "histogram"
    assert kinds["talaria_requests_in_flight"] == "gauge"
    assert "unknown" not in kinds.values()


async def test_promtool_finds_nothing_to_say_of_the_metrics(gateway: GatewayProcess) -> None:
    await traffic(gateway)
    async with httpx.AsyncClient(trust_env=False) as client:
        text = (await client.get(f"{gateway.ops}/metrics")).content
    check = await asyncio.create_subprocess_exec(
        program("promtool"), "check", "metrics", stdin=PIPE, stdout=PIPE, stderr=STDOUT
    )
    said, _ = await check.communicate(text)
    assert (check.returncode, said) == (0, b"")


async def test_a_gateway_that_is_gone_becomes_an_alert(gateway: GatewayProcess, tmp_path: Path) -> None:
    async with prometheus_of(gateway, tmp_path / "prometheus") as prometheus:
        await gateway.served.stop()
        await prometheus.until('ALERTS{alertname="TalariaDown", alertstate="pending"}')
