"""The demo that `talaria sandbox` shows is put together from what the servers saw."""

import io
from collections.abc import AsyncIterator

import pytest
from rich.console import Console

from talaria.sandbox import demo, demo_output, fixtures
from talaria.sandbox.stack import Sandbox, running_sandbox


@pytest.fixture
async def whole(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    with (tmp_path_factory.mktemp("access") / "lines").open("wb") as lines:
        async with running_sandbox(access_descriptor=lines.fileno()) as running:
            yield running


async def test_the_first_request_is_exchanged_and_the_second_is_not(whole: Sandbox) -> None:
    cold, warm = await demo.run(whole), await demo.run(whole)
    assert (cold.status, warm.status) == (200, 200)
    assert [hop.service for hop in cold.hops] == ["issuer", "personal", "wind", "talaria-services"]
    assert [hop.service for hop in warm.hops] == ["talaria-services"]
    assert (cold.exchanged, warm.exchanged) == (True, False)
    assert all(0 < hop.at < cold.took and 0 < hop.took < cold.took for hop in cold.hops)


async def test_what_was_stripped_replaced_and_added(whole: Sandbox) -> None:
    changes = {change.name: change for change in (await demo.run(whole)).changes}
    assert changes["x-talaria-role"].after == ""
    assert changes["x-wind-user-id"].before == "wind-user-boris"
    assert changes["x-wind-user-id"].after == "wind-user-anna"
    assert changes["authorization"].before == changes["authorization"].after == "Bearer eyJ..."
    assert changes["x-api-key"].before == ""
    assert {"host", "via", "x-request-id"} <= changes.keys()
    assert not {"accept", "user-agent", "x-api-tag"} & changes.keys()


async def test_a_request_without_a_token_is_refused(whole: Sandbox) -> None:
    refusal = await demo.run_refused(whole)
    assert (refusal.status, refusal.reason) == (401, "missing-token")


async def test_the_output_shows_no_phone_number_and_no_token_but_the_one_to_paste(whole: Sandbox) -> None:
    text = io.StringIO()
    console = Console(file=text)
    result = await demo.run(whole)
    demo_output.show_result(console, "first", result)
    demo_output.show_changes(console, result.changes)
    demo_output.show_refused(console, await demo.run_refused(whole))
    demo_output.show_next_steps(console, whole)
    lines = text.getvalue().splitlines()
    assert not [line for line in lines if any(phone in line for phone in fixtures.PHONES.values())]
    assert len([line for line in lines if "eyJhb" in line]) == 1
    assert not [line for line in lines if "\x1b" in line]
    secrets = (whole.personal.token, whole.wind.api_key, whole.talaria_services.api_key)
    assert not any(secret in text.getvalue() for secret in secrets)
