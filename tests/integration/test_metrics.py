"""What `/metrics` says on the wire, of one worker and of several."""

import re
from pathlib import Path

import httpx

from talaria.sandbox.certificates import write_certificate
from talaria.sandbox.stack import running_sandbox
from tests.integration.faults.support_processes import serving

OPENMETRICS = {"accept": "application/openmetrics-text; version=1.0.0"}
TRACE = "0af7651916cd43dd8448eb211c80319c"
EXEMPLAR = re.compile(
    r'^talaria_request_duration_seconds_bucket\{le="[^"]+",tag="wind"\} [\d.]+ # \{trace_id="' + TRACE + '"} '
)


async def test_the_trace_of_a_request_reaches_the_scrape_of_all_workers(tmp_path: Path) -> None:
    async with (
        running_sandbox(gateway=False) as sandbox,
        serving(sandbox, tmp_path / "log", workers="2") as served,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        headers = sandbox.headers() | {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
        assert (await client.get(f"{sandbox.public_url}/echo", headers=headers)).status_code == 200
        asked = (await client.get(f"{served.ops_url}/metrics", headers=OPENMETRICS)).text
        plain = (await client.get(f"{served.ops_url}/metrics")).text
    assert [line for line in asked.splitlines() if EXEMPLAR.match(line)]
    assert TRACE not in plain


async def test_connections_certificates_and_lines_are_told(tmp_path: Path) -> None:
    cert_file, key_file = write_certificate(tmp_path, "ours")
    ours = {"personal": {"tls": {"cert_file": str(cert_file), "key_file": str(key_file)}}}
    async with running_sandbox(config=ours) as sandbox, httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"{sandbox.public_url}/echo", headers=sandbox.headers())).status_code == 200
        text = (await client.get(f"{sandbox.ops_url}/metrics")).text
    upstream = re.escape("talaria-services http://")
    for line in (
        r'talaria_connections\{dependency="personal",state="idle"\} 1\.0',
        rf'talaria_connections\{{dependency="{upstream}[^"]+",state="idle"\}} 1\.0',
        r'talaria_connection_waiters\{dependency="wind"\} 0\.0',
        r'talaria_key_set_keys\{dependency="caller-keys:app"\} [12]\.0',
        r'talaria_certificate_expiry_timestamp_seconds\{dependency="personal",kind="client"\} [\d.e+]+',
        r"talaria_access_lines_lost_total 0\.0",
        r'talaria_requests_total\{caller="app",method="GET",.*status="200",tag="wind"\} 1\.0',
        r'talaria_dependency_requests_total\{dependency="talaria-services",outcome="ok",url="http://[^"]+"\} 1\.0',
    ):
        assert re.search(f"^{line}$", text, re.MULTILINE), line
