"""Certificates in the configuration."""

from typing import Any

import pytest

from talaria.entrypoints.config.tls import certificate_ends
from talaria.sandbox.certificates import write_certificate
from tests.unit.entrypoints.config.conftest import Bench

OURS = {"cert_file": "us.pem", "key_file": "us.key"}


@pytest.mark.parametrize("at", ["server", "personal", "partners.wind", "upstreams.talaria-services"])
def test_another_content_of_a_file_is_another_configuration(own_bench: Bench, at: str) -> None:
    write_certificate(own_bench.folder, "us")
    first = own_bench.load({f"{at}.tls": OURS})
    assert first == own_bench.load({f"{at}.tls": OURS})
    assert {own_bench.folder / "us.pem", own_bench.folder / "us.key"} <= set(first.files)
    write_certificate(own_bench.folder, "us")
    assert first != own_bench.load({f"{at}.tls": OURS})


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
def test_what_can_not_be_shown_is_refused(own_bench: Bench, at: str, tls: dict[str, Any]) -> None:
    write_certificate(own_bench.folder, "us")
    assert list(own_bench.problems({at: tls})) == [at]


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
def test_values_of_another_form_are_refused(own_bench: Bench, key: str, value: Any) -> None:
    assert [problem.startswith(key) for problem in own_bench.problems({key: value})] == [True]


def test_a_key_that_every_user_may_read_is_a_warning(own_bench: Bench) -> None:
    _, key = write_certificate(own_bench.folder, "us")
    key.chmod(0o644)
    (warning,) = own_bench.load({"server.tls": OURS}).warnings
    assert warning.key == "server.tls.key_file"


def test_it_is_known_when_each_certificate_of_ours_ends(bench: Bench) -> None:
    write_certificate(bench.folder, "us")
    ends = certificate_ends(bench.load({"server.tls": OURS, "partners.wind.tls": OURS, "personal.tls": {}}))
    assert set(ends) == {("listener", ""), ("client", "wind")}
    assert len(set(ends.values())) == 1
