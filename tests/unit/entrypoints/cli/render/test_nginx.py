"""nginx: a plain target of a kept decision is never one that is refused; what the configuration says."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talaria.domain.errors import BadRequestTarget
from talaria.entrypoints.cli.render.nginx import PLAIN_TARGET
from talaria.entrypoints.public.validation import check_target
from tests.support_rows import each_row
from tests.unit.entrypoints.cli.render.support_render import rendered, text_of
from tests.unit.entrypoints.public.support_targets import REFUSED

PLAIN = re.compile(PLAIN_TARGET.encode())


@each_row("case", REFUSED)
def test_what_is_refused_is_not_plain(case: object) -> None:
    assert not PLAIN.search(getattr(case, "target", b""))


@pytest.mark.parametrize(
    "target",
    [
        b"/",
        b"/a",
        b"/a/",
        b"/a/b.c",
        b"/v1/x?y=../z&w=%2e",
        b"/%C3%A9/%D0%9F",
        b"/a+b@c:d,e",
        b"/a%20b",
        b"/x?",
        b"/~u",
    ],
)
def test_the_usual_targets_are_plain(target: bytes) -> None:
    assert PLAIN.search(target)


_PIECES = st.sampled_from(
    ["/", ".", "..", "a", "%2e", "%2E", "%2f", "%5c", "\\", "%25", "%00", "%c0", "%ae", "%e0", "%80", "%f0", "%u002e",
     ";", "?", "#", "%41", "é", "%", " ", "%7f", "%C3", "%A9", "%0a", "//"]
)  # fmt: skip


@given(st.lists(_PIECES, max_size=12).map("".join) | st.text(max_size=20))
def test_every_plain_target_is_one_that_the_gateway_takes(path: str) -> None:
    target = b"/" + path.encode()
    if PLAIN.search(target):
        try:
            check_target(target)
        except BadRequestTarget:
            pytest.fail(repr(target))


def test_no_long_target_takes_long() -> None:
    assert not PLAIN.search(b"/" + b"a" * 30_000 + b"\\")
    assert not PLAIN.search(b"/" + b"a/" * 15_000 + b";")


def test_each_tag_leads_to_its_upstream_under_its_own_host(tmp_path: Path) -> None:
    text = text_of(rendered(tmp_path, "nginx", "edge"))
    for line in (
        "upstream upstream_talaria-services { server 10.1.0.1:8000; server 10.1.0.2:8000; keepalive 64; }",
        '"wind" http://upstream_talaria-services;',
        '"bolt" https://upstream_other;',
        '"bolt" other.internal;',
        "proxy_ssl_trusted_certificate /etc/ca.pem;",
        "proxy_read_timeout 3500ms;",
        "proxy_read_timeout 90000ms;",
        "proxy_set_header x-rider $talaria_user_x_rider;",
    ):
        assert line in text


def test_a_kept_decision_is_for_one_client_behind_trusted_proxies(tmp_path: Path) -> None:
    names = (
        "http_authorization", "http_x_api_key", "http_x_api_tag", "request_method", "http_host", "scheme",
        "remote_addr",
    )  # fmt: skip
    key = '"' + "\\n".join(f"${name}" for name in names)
    alone = text_of(rendered(tmp_path, "nginx", "edge", "--fast"))
    assert f'proxy_cache_key {key}";' in alone
    changes = {"server": {"trusted_proxies": ["10.0.0.0/8"]}}
    behind = text_of(rendered(tmp_path, "nginx", "edge", "--fast", changes=changes))
    assert f'proxy_cache_key {key}\\n$http_x_forwarded_for\\n$http_forwarded";' in behind


def test_issuers_can_mean_nothing_to_nginx(tmp_path: Path) -> None:
    changes = {"callers": {"app": {"issuer": "it's $evil"}}}
    text = text_of(rendered(tmp_path, "nginx", "balance", changes=changes))
    assert r'"it\u0027s \u0024evil":"personal_phone_id"' in text
    assert '"https://id.web.example":"person.phone_id"' in text


def test_the_script_may_be_elsewhere(tmp_path: Path) -> None:
    assert "js_import talaria from scripts/person.js;" in text_of(
        rendered(tmp_path, "nginx", "balance", "--script", "scripts/person.js")
    )
