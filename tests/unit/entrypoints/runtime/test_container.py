"""Two lifetimes: what is the process's own goes on over a reload, the rest is built anew."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from dependency_injector import providers
from msgspec.structs import replace

from talaria.domain.errors import RateLimited
from talaria.domain.model import Principal
from talaria.domain.rate_limits import RateLimit
from talaria.entrypoints.cli.main import cli
from talaria.entrypoints.config import Settings, load
from talaria.entrypoints.runtime.container import Container, ProcessContainer
from talaria.entrypoints.runtime.resources import ResourceRegistry
from talaria.testing import MemoryPartnerAccounts

ENVIRONMENT = dict.fromkeys(("PERSONAL_TOKEN", "WIND_API_KEY", "TALARIA_SERVICES_API_KEY"), "x")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    CliRunner().invoke(cli, ["init", str(tmp_path)])
    return load(tmp_path / "talaria.toml", environ=ENVIRONMENT)


def of_the_process() -> list[str]:
    return [name for name in ProcessContainer.providers if name not in ("settings", "access_descriptor")]


def test_every_part_of_the_process_is_the_same_after_a_reload(settings: Settings) -> None:
    first = Container(settings=settings)
    process = first.process
    for _ in range(2):
        reloaded = Container(settings=settings, resources=ResourceRegistry(first.resources()))
        reloaded.process.override(process)
        for name in of_the_process():
            assert getattr(reloaded.process, name)() is getattr(first.process, name)(), name
        assert reloaded.gateway() is not first.gateway()


def test_without_a_limit_there_is_nothing_to_check_and_what_is_counted_goes_on_after_a_reload(
    settings: Settings,
) -> None:
    first = Container(settings=settings)
    assert first.gateway().rate_limits is None
    limited = {"app": replace(settings.callers["app"], rate_limit=RateLimit(1 / 3600, 1))}
    refused = []
    for _ in range(2):
        reloaded = Container(settings=replace(settings, callers=limited))
        reloaded.process.override(first.process)
        limits = reloaded.gateway().rate_limits
        assert limits is not None
        try:
            limits.check(Principal("app", None), 1.0)
        except RateLimited as refusal:
            refused.append(refusal.cause)
    assert refused == ["callers.app.rate_limit"]


def test_whatever_has_connections_follows_the_names_of_its_urls(settings: Settings) -> None:
    urls = ("http://one.test", "http://two.test")
    upstream = replace(settings.upstreams["talaria-services"], urls=urls)
    container = Container(settings=replace(settings, upstreams={"talaria-services": upstream}))
    container.gateway()
    resources = container.resources()
    services = {f"talaria-services {url}" for url in urls}
    assert set(resources.pools) == set(resources.watched) == {"personal", "wind", "caller-keys:app", *services}


def test_a_part_of_the_process_can_be_swapped(settings: Settings) -> None:
    container = Container(settings=settings)
    recorder = object()
    container.process.recorder.override(providers.Object(recorder))
    assert container.process.recorder() is recorder


def test_one_partner_is_swapped_and_the_others_stay(settings: Settings) -> None:
    fake, other = MemoryPartnerAccounts({}), MemoryPartnerAccounts({})
    container = Container(settings=settings)
    container.partners.override("wind", fake)
    container.partners.override("bolt", other)
    assert container.partner_accounts() == {"wind": fake}
    assert Container(settings=settings).partners() == {}


def test_all_partners_can_be_swapped_at_once(settings: Settings) -> None:
    fake, container = MemoryPartnerAccounts({}), Container(settings=settings)
    container.partners.override(providers.Object({"wind": fake}))
    assert container.partner_accounts() == {"wind": fake}
