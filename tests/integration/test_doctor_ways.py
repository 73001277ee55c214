"""What `talaria doctor` finds of credentials, of where calls come from, of a balancer, and of our own certificate."""

import asyncio
import json
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from talaria.adapters.partner_kit import PartnerBadAnswer, PartnerContext, PartnerUserId, PartnerUserUnknown
from talaria.adapters.partners import Adapter
from talaria.domain.events import HopContext
from talaria.domain.model import PhoneNumber
from talaria.entrypoints.cli.affinity import affinity
from talaria.entrypoints.cli.credentials import credentials
from talaria.entrypoints.cli.egress import egress
from talaria.entrypoints.cli.probes import Finding
from talaria.entrypoints.config import Settings, load
from talaria.sandbox.certificates import write_certificate
from talaria.sandbox.faults import Faults
from talaria.sandbox.stack import Sandbox, running_sandbox
from tests.integration.support_command import told
from tests.integration.test_doctor import serving
from tests.support_address import refusing


class Probing:
    """An adapter with a probe, which asks wind for what it has not."""

    contract = 1

    def __init__(self, partner: PartnerContext) -> None:
        self._http = partner.http

    async def user_of(self, phone: PhoneNumber, call: HopContext) -> PartnerUserId:
        raise NotImplementedError

    async def probe(self, call: HopContext) -> None:
        """A status of its own for each thing that may be the matter."""
        response = await self._http.get("/v1/none", call=call)
        known = {401: PartnerBadAnswer("our credentials were refused"), 404: PartnerUserUnknown()}
        raise known.get(response.status) or PartnerBadAnswer(f"status {response.status}")


def with_probe(settings: Settings) -> Settings:
    wind = replace(settings.partners["wind"], found=Adapter(Probing, "here", "1"))
    return replace(settings, partners={"wind": wind})


async def asked(sandbox: Sandbox, change: Callable[[Settings], Settings] = lambda settings: settings) -> list[Finding]:
    """What is found of credentials, away from the loop that serves."""
    return await asyncio.to_thread(credentials, change(load(sandbox.config_path)))


async def test_good_credentials_are_said_to_be_good() -> None:
    async with running_sandbox(gateway=False) as sandbox:
        personal, wind = await asked(sandbox, with_probe)
    assert (personal, wind) == (
        Finding("personal: takes our credentials", True),
        Finding("the partner wind: takes our credentials", True),
    )


async def test_an_adapter_without_a_probe_is_not_asked() -> None:
    async with running_sandbox(gateway=False) as sandbox:
        _, wind = await asked(sandbox)
        assert sandbox.wind.requests.count == 0
    assert (wind.well, "has no probe" in wind.what) == (True, True)


@pytest.mark.parametrize(
    ("faults", "said", "owner", "advice"),
    [
        (Faults(error_rate=1.0, status=401), "refuses our credentials", "us, with", "Look at p"),
        (Faults(error_rate=1.0, status=500), "can't be asked (status 500)", "", "its last release"),
        (Faults(error_rate=1.0, status=503), "can't be asked", "", "turns us away"),
        (Faults(error_rate=1.0, hang=True), "can't be asked (no answer in time)", "", "hangs"),
    ],
)
async def test_what_is_wrong_has_an_owner_and_an_advice(faults: Faults, said: str, owner: str, advice: str) -> None:
    quick = {"personal": {"timeout": "200ms"}, "partners": {"wind": {"timeout": "200ms"}}}
    async with running_sandbox(gateway=False, config=quick if faults.hang else {}) as sandbox:
        sandbox.personal.faults = sandbox.wind.faults = faults
        found = await asked(sandbox, with_probe)
    for finding, name in zip(found, ("personal", "the partner wind"), strict=True):
        assert not finding.well
        assert finding.what.startswith(f"{name}: {said}")
        assert finding.owner == f"{owner} {name}".strip()
        assert advice in finding.advice


async def test_what_does_not_run_can_not_be_asked() -> None:
    async with running_sandbox(gateway=False) as sandbox:
        settings = with_probe(load(sandbox.config_path))
    with refusing() as (host, port):
        url = f"http://{host}:{port}"
        wind = replace(settings.partners["wind"], url=url)
        unreachable = replace(settings, personal=replace(settings.personal, url=url), partners={"wind": wind})
        found = await asyncio.to_thread(credentials, unreachable)
    assert [finding.what.partition("(")[2] for finding in found] == ["connection refused)"] * 2


class Echo(BaseHTTPRequestHandler):
    """Says where it is asked from, as some services do."""

    body = '{"ip": "%s"}'

    def do_GET(self) -> None:
        said = (self.body % self.client_address[0]).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


class Mute(Echo):
    body = "no idea%.0s"


async def test_the_address_of_our_calls_is_named() -> None:
    async with running_sandbox(gateway=False) as sandbox:
        settings = load(sandbox.config_path)
    with serving(Echo) as port:
        (found,) = egress(settings, f"http://127.0.0.1:{port}/ip")
        (odd,) = egress(
            replace(settings, partners={"wind": replace(settings.partners["wind"], source_address="127.0.0.9")}),
            f"http://127.0.0.1:{port}",
        )
    assert (found.well, found.what) == (True, "the partner wind: our calls come from 127.0.0.1: is it on its list?")
    assert "come from 127.0.0.9" in odd.what
    with serving(Mute) as port:
        (mute,) = egress(settings, f"http://127.0.0.1:{port}")
    assert (mute.well, mute.what) == (False, f"the partner wind: 127.0.0.1:{port} names no address")
    with serving() as proxy:
        through = replace(settings.partners["wind"], egress_proxy=f"http://127.0.0.1:{proxy}")
        (refused,) = egress(replace(settings, partners={"wind": through}), "http://echo.example")
    assert (refused.well, refused.owner) == (False, "the egress proxy")


Choose = Callable[[bytes, int], int]


@asynccontextmanager
async def balancer(choose: Choose, *urls: str) -> AsyncIterator[str]:
    """A balancer: `choose` gets the head of a request and its number."""
    count = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        head = await reader.readuntil(b"\r\n\r\n")
        port = urls[choose(head, count) % len(urls)].rpartition(":")[2]
        count += 1
        back, forth = await asyncio.open_connection("127.0.0.1", int(port))
        forth.write(head.replace(b"\r\n", b"\r\nconnection: close\r\n", 1))
        writer.write(await back.read())
        forth.close()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def by_person(head: bytes, _: int) -> int:
    payload = head.partition(b"Bearer ")[2].split(b".")[1]
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(payload + b"=="))
    return int(claims["personal_phone_id"][-1], 16)


@pytest.mark.parametrize(
    ("choose", "well", "said"),
    [
        (by_person, True, "the balancer keeps each person at one of"),
        (lambda _, number: number, False, "the balancer sends 8 of 8 persons to more than one instance"),
        (lambda _, number: 0, False, "the balancer sends 8 persons to 1 of 2 instances"),
    ],
)
async def test_a_balancer_is_to_keep_a_person_at_one_instance(choose: Choose, well: bool, said: str) -> None:
    async with (
        running_sandbox() as one,
        running_sandbox() as other,
        balancer(choose, one.public_url, other.public_url) as url,
    ):
        settings = load(one.config_path)
        found = await asyncio.to_thread(affinity, settings, url, [one.ops_url, other.ops_url])
        assert (found.well, found.what.startswith(said)) == (well, True), found
        unknown = await asyncio.to_thread(affinity, settings, other.public_url, [one.ops_url])
        assert (unknown.well, "met none of" in unknown.what) == (False, True)
    gone = await asyncio.to_thread(affinity, settings, url, [one.ops_url])
    assert (gone.well, gone.owner) == (False, "the balancer")


async def test_our_own_certificates_have_days_left(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path, "server", "127.0.0.1", days=(-1, 5))
    tls = {"server": {"tls": {"cert_file": str(certificate), "key_file": str(key)}}}
    async with running_sandbox(config=tls) as sandbox:
        arguments = ("doctor", "--json", "--config", str(sandbox.config_path), "--ops", sandbox.ops_url)
        code, printed = await told(*arguments)
    (bad,) = [finding for finding in json.loads(printed)["findings"] if not finding["well"]]
    assert (code, bad["what"], bad["owner"]) == (1, "our certificate of server.tls is good for 4 more days", "us")
