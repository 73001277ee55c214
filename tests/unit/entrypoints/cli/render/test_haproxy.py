"""HAProxy: a replica's place on the ring follows from its address alone."""

import re
from pathlib import Path

import pytest

from tests.unit.entrypoints.cli.render.support_render import GATEWAYS, rendered, text_of

SERVER = re.compile(r"^    server (\S+) (\S+) id (\d+) check port 9090$", re.MULTILINE)


def ids(tmp_path: Path, gateways: tuple[str, ...]) -> dict[str, int]:
    servers = SERVER.findall(text_of(rendered(tmp_path, "haproxy", "balance", gateways=gateways)))
    assert len({name for name, _, _ in servers}) == len(gateways)
    return {address: int(place) for _, address, place in servers}


def test_neither_order_nor_number_of_the_lines_moves_a_replica(tmp_path: Path) -> None:
    both = ids(tmp_path, GATEWAYS)
    assert ids(tmp_path, GATEWAYS[::-1]) == both
    more = ids(tmp_path, (*GATEWAYS, "http://[2001:db8::1]:8080"))
    assert {address: more[address] for address in both} == both
    assert len(set(more.values())) == 3
    assert all(0 < place < 2**31 for place in more.values())


def test_each_issuer_has_its_claim(tmp_path: Path) -> None:
    changes = {"callers": {"app": {"issuer": "it's mine"}}}
    text = text_of(rendered(tmp_path, "haproxy", "balance", changes=changes))
    assert r"jwt_payload_query('$.personal_phone_id') if { var(txn.iss) -m str 'it'\''s mine' }" in text
    assert "jwt_payload_query('$.person.phone_id') if { var(txn.iss) -m str 'https://id.web.example' }" in text


def test_an_edge_goes_to_the_upstream_of_each_tag(tmp_path: Path) -> None:
    text = text_of(rendered(tmp_path, "haproxy", "edge"))
    for line in (
        "use_backend upstream_talaria-services if { req.hdr(x-api-tag) -m str wind }",
        "use_backend upstream_other if { req.hdr(x-api-tag) -m str bolt }",
        "    http-request set-header host other.internal",
        "    server other.internal_443 other.internal:443 ssl verify required ca-file /etc/ca.pem",
        'setenv TALARIA_DECISIONS "http://10.0.0.5:8081"',
        'setenv TALARIA_DECISION_MILLISECONDS "875"',
        'setenv TALARIA_USER_ID_HEADERS "x-wind-user-id x-rider"',
        "http-response del-header x-rider",
    ):
        assert line in text


@pytest.mark.parametrize(("key", "code"), [("a.pem.key", 0), ("a.pem", 0), ("a.key", 78), ("b.pem.key", 78)])
def test_a_key_is_where_haproxy_finds_it(tmp_path: Path, key: str, code: int) -> None:
    tls = {"ca_file": "ca.pem", "cert_file": "a.pem", "key_file": key}
    result = rendered(tmp_path, "haproxy", "edge", changes={"upstreams": {"other": {"tls": tls}}})
    assert result.exit_code == code
    assert ("upstreams.other.tls.key_file" in result.output) is (code == 78)
