"""What a reload may not change, and that it says so."""

from typing import Any

import pytest

from talaria.entrypoints.config import Settings
from talaria.entrypoints.runtime.reload import with_fixed_settings
from talaria.sandbox.certificates import write_certificate
from tests.unit.entrypoints.config.conftest import Bench


@pytest.fixture
def bench(tmp_path: Any) -> Bench:
    write_certificate(tmp_path, "us")
    return Bench(tmp_path)


TLS = {"server.tls.cert_file": "us.pem", "server.tls.key_file": "us.key"}
LATER = " comes in force with the next start only"


@pytest.mark.parametrize(
    ("before", "changes", "told"),
    [
        ({}, {}, []),
        ({}, {"server.listen": "127.0.0.1:1"}, ["server.listen"]),
        ({}, {"server.workers": 7}, ["server.workers"]),
        ({}, TLS, ["server.tls"]),
        ({}, {"logging.format": "text"}, ["logging.format"]),
        ({}, {"tracing.endpoint": "http://127.0.0.1:4318", "tracing.sample": 1.0}, ["tracing.endpoint"]),
        ({}, {"server.header_timeout": "7s"}, []),
        (TLS, {**TLS, "server.header_timeout": "7s"}, ["server.header_timeout of a TLS handshake"]),
        ({}, {"server.workers": 7, "logging.format": "text"}, ["server.workers", "logging.format"]),
    ],
)
def test_what_waits_for_the_next_start_is_said(
    bench: Bench, caplog: pytest.LogCaptureFixture, before: dict[str, Any], changes: dict[str, Any], told: list[str]
) -> None:
    in_use, read = bench.load(before), bench.load(changes)
    taken = with_fixed_settings(read, in_use)
    assert [record.getMessage() for record in caplog.records] == [f"{key}{LATER}" for key in told]
    assert fixed(taken) == fixed(in_use)
    assert taken.server.header_timeout == read.server.header_timeout


def fixed(settings: Settings) -> tuple[object, ...]:
    server = settings.server
    return (server.listen, server.ops_listen, server.workers, server.tls.cert_file, settings.logging.format)
