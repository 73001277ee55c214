"""Certificates in the configuration."""

from typing import Any

import pytest

from talaria.entrypoints.config.tls import certificate_ends
from tests.integration.support_certificates import write_certificate
from tests.unit.entrypoints.config.conftest import Bench

OURS = {"cert_file": "us.pem", "key_file": "us.key"}


@pytest.mark.parametrize("at", ["server", "personal", "partners.wind", "upstreams.talaria-services"])
def test_another_content_of_a_file_is_another_configuration(bench: Bench, at: str) -> None:
    write_certificate(bench.folder, "us")
    first = bench.load({f"{at}.tls": OURS})
    assert first == bench.load({f"{at}.tls": OURS})
    assert {bench.folder / "us.pem", bench.folder / "us.key"} <= set(first.files)
    write_certificate(bench.folder, "us")
    assert first != bench.load({f"{at}.tls": OURS})


@pytest.mark.parametrize(
    "tls",
    [
        {"cert_file": "us.pem"},
        {"key_file": "us.key"},
        {"cert_file": "us.key", "key_file": "us.pem"},
        {"cert_file": "us.pem", "key_file": "nothing.key"},
    ],
)
@pytest.mark.parametrize("at", ["server.tls", "partners.wind.tls"])
def test_what_can_not_be_shown_is_refused(bench: Bench, at: str, tls: dict[str, Any]) -> None:
    write_certificate(bench.folder, "us")
    assert list(bench.problems({at: tls})) == [at]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("server.tls", {"ca_file": "us.pem"}),
        ("personal.tls", {"verify": False}),
        ("partners.wind.source_address", "wind.example"),
        ("partners.wind.source_address", "10.0.0.0/8"),
        ("upstreams.talaria-services.source_address", 1),
        ("logging.person_key", {"env": "WIND_API_KEY"}),
    ],
)
def test_values_of_another_form_are_refused(bench: Bench, key: str, value: Any) -> None:
    assert [problem.startswith(key) for problem in bench.problems({key: value})] == [True]


def test_a_key_that_every_user_may_read_is_a_warning(bench: Bench) -> None:
    _, key = write_certificate(bench.folder, "us")
    key.chmod(0o644)
    (warning,) = bench.load({"server.tls": OURS}).warnings
    assert warning.key == "server.tls.key_file"


def test_it_is_known_when_each_certificate_of_ours_ends(bench: Bench) -> None:
    write_certificate(bench.folder, "us")
    ends = certificate_ends(bench.load({"server.tls": OURS, "partners.wind.tls": OURS, "personal.tls": {}}))
    assert set(ends) == {("listener", ""), ("client", "wind")}
    assert len(set(ends.values())) == 1
