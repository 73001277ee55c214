"""The sandbox that tests and the command share."""

import io
import random
import socket
import tomllib
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile

import httpx
import pytest
from rich.console import Console

from talaria.entrypoints.config import Address, load
from talaria.entrypoints.public.server.sockets import CannotListen, bind
from talaria.sandbox import demo, demo_output, fixtures, stack
from talaria.sandbox.demo import Hop
from talaria.sandbox.stack import Ports, running_sandbox
from talaria.sandbox.wind import SimulatedWind


class SimulatedBolt(SimulatedWind):
    """A partner of another team, with an API like wind's."""

    name = "bolt"


def test_the_default_ports_stand_in_a_row() -> None:
    assert Ports.at(8080) == Ports(8080, 9090, 8081)
    assert Ports.at(8080).services(4) == [8081, 8082, 8083, 8084]
    assert Ports.at(0) == Ports()
    assert Ports().services(4) == [0] * 4


async def test_the_files_are_a_configuration_that_can_be_used() -> None:
    async with running_sandbox(gateway=False, config={"routes": {"wind": {"timeout": "3s"}}}) as sandbox:
        settings = load(sandbox.config_path, environ={})
        assert settings.routes["wind"].timeout == 3.0
        assert settings.personal.token is not None
        assert settings.personal.token.reveal() == sandbox.personal.token
        assert not settings.warnings
        folder = sandbox.folder.path
    assert not folder.exists()


async def test_a_kept_folder_serves_again(tmp_path: Path) -> None:
    async with running_sandbox(gateway=False, folder=tmp_path) as sandbox:
        token, api_key = sandbox.issuer.public_jwk(), sandbox.wind.api_key
    async with running_sandbox(gateway=False, folder=tmp_path) as again:
        assert (again.issuer.public_jwk(), again.wind.api_key) == (token, api_key)
        assert tomllib.loads(again.config_path.read_text())["partners"]["wind"]["url"] == again.wind.url


async def test_a_taken_port_is_named_and_the_others_are_released() -> None:
    base = random.randrange(20_000, 30_000)  # below the ports that connections are given
    with socket.create_server(("127.0.0.1", base + 2)):
        with pytest.raises(CannotListen, match=f"sandbox wind: .*:{base + 2}"):
            async with running_sandbox(port=base, gateway=False):
                pass
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", base + 1))


async def test_a_gateway_of_ones_own_does_not_share_the_sandboxs_addresses() -> None:
    with TemporaryFile(buffering=0) as lines:
        async with running_sandbox(access_descriptor=lines.fileno()) as sandbox:
            assert sandbox.running is not None
            for url in (sandbox.running.public_url, sandbox.running.ops_url):
                with pytest.raises(CannotListen, match="free the port"):
                    bind(Address("127.0.0.1", int(url.rpartition(":")[2])), "server.listen", shared=True)


async def test_a_fifth_service_is_a_line_of_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "SERVICES", (*stack.SERVICES, SimulatedBolt))
    config = {"partners": {"bolt": {"adapter": "wind"}}}
    with TemporaryFile(buffering=0) as lines:
        async with running_sandbox(access_descriptor=lines.fileno(), config=config) as sandbox:
            bolt = sandbox.service(SimulatedBolt)
            async with httpx.AsyncClient(trust_env=False) as client:
                answer = await client.get(f"{sandbox.public_url}/echo/", headers=sandbox.headers(tag="bolt"))
            assert answer.status_code == 200
            assert bolt.requests.count == 1
            result = await demo.run(sandbox)
            assert [hop.service for hop in result.hops] == ["personal", "wind", "talaria-services"]
    text = io.StringIO()
    demo_output.show_addresses(Console(file=text), sandbox)
    demo_output.show_result(Console(file=text), "with a fifth", replace(result, hops=[Hop("bolt", "users", 200, 0, 0)]))
    assert bolt.url in text.getvalue()
    assert "gateway -> bolt" in text.getvalue()


async def test_added_persons_have_phone_numbers_of_their_own() -> None:
    async with running_sandbox(gateway=False) as sandbox:
        added = sandbox.add_persons(3) + sandbox.add_persons(2)
        assert len({sandbox.personal.phones[person] for person in added}) == 5


async def test_each_person_goes_through_the_gateway_as_they_should(tmp_path: Path) -> None:
    expected = {
        fixtures.ANNA: (200, "wind-user-anna"),
        fixtures.CHLOE: (200, fixtures.user_id_for(fixtures.PHONES[fixtures.CHLOE])),
        fixtures.BLOCKED: (403, "partner-user-refused"),
        fixtures.UNSUPPORTED: (403, "partner-user-refused"),
        fixtures.NO_ACCOUNT: (403, "partner-user-unknown"),
        fixtures.GHOST: (403, "identity-unknown"),
    }
    with (tmp_path / "lines").open("wb") as lines:
        async with (
            running_sandbox(access_descriptor=lines.fileno()) as sandbox,
            httpx.AsyncClient(trust_env=False) as client,
        ):
            url = f"{sandbox.public_url}/v1/scooters/nearby"
            for person, outcome in expected.items():
                answer = await client.get(url, headers=sandbox.headers(person))
                body = answer.json()
                assert (answer.status_code, body.get("user_id") or body.get("reason")) == outcome
