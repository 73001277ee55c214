"""The world that tests and the command share."""

import random
import socket
import tomllib
from pathlib import Path

import httpx
import pytest

from talaria.entrypoints.config import load
from talaria.entrypoints.public.server.sockets import CannotListen
from talaria.sandbox import fixtures as people
from talaria.sandbox.world import Ports, sandbox_world


def test_the_default_ports_stand_in_a_row() -> None:
    assert Ports.at(8080) == Ports(8080, 9090, (8081, 8082, 8083, 8084))
    assert Ports.at(0) == Ports()


async def test_the_files_are_a_configuration_that_can_be_used() -> None:
    async with sandbox_world(gateway=False, config={"routes": {"wind": {"timeout": "3s"}}}) as world:
        settings = load(world.config_path, environ={})
        assert settings.routes["wind"].timeout == 3.0
        assert settings.personal.token is not None
        assert settings.personal.token.reveal() == world.personal.token
        assert not settings.warnings
        folder = world.folder
    assert not folder.exists()


async def test_a_kept_folder_serves_again(tmp_path: Path) -> None:
    async with sandbox_world(gateway=False, folder=tmp_path) as world:
        token, api_key = world.issuer.public_jwk(), world.wind.api_key
    async with sandbox_world(gateway=False, folder=tmp_path) as again:
        assert (again.issuer.public_jwk(), again.wind.api_key) == (token, api_key)
        assert tomllib.loads(again.config_path.read_text())["partners"]["wind"]["url"] == again.wind.url


async def test_a_taken_port_is_named_and_the_others_are_released() -> None:
    base = random.randrange(20_000, 30_000)  # below the ports that connections are given
    with socket.create_server(("127.0.0.1", base + 2)):
        with pytest.raises(CannotListen, match=f"sandbox wind: .*:{base + 2}"):
            async with sandbox_world(port=base, gateway=False):
                pass
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", base + 1))


async def test_added_persons_have_phone_numbers_of_their_own() -> None:
    async with sandbox_world(gateway=False) as world:
        added = world.add_persons(3) + world.add_persons(2)
        assert len({world.personal.phones[person] for person in added}) == 5


async def test_each_person_goes_through_the_gateway_as_they_should(tmp_path: Path) -> None:
    expected = {
        people.ANNA: (200, "wind-user-anna"),
        people.CHLOE: (200, people.user_id_for(people.PHONES[people.CHLOE])),
        people.BLOCKED: (403, "partner-user-refused"),
        people.UNSUPPORTED: (403, "partner-user-refused"),
        people.NO_ACCOUNT: (403, "partner-user-unknown"),
        people.GHOST: (403, "identity-unknown"),
    }
    with (tmp_path / "lines").open("wb") as lines:
        async with (
            sandbox_world(access_descriptor=lines.fileno()) as world,
            httpx.AsyncClient(trust_env=False) as client,
        ):
            url = f"{world.public_url}/v1/scooters/nearby"
            for person, outcome in expected.items():
                answer = await client.get(url, headers=world.headers(person))
                body = answer.json()
                assert (answer.status_code, body.get("user_id") or body.get("reason")) == outcome
