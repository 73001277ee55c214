"""What no single value shows: names that must exist, values that two tables may not share."""

from typing import Any

import pytest

from talaria.domain import headers
from talaria.entrypoints.config.settings import RecheckSettings
from tests.support_rows import each_row
from tests.unit.entrypoints.config.conftest import GOOD, Bench
from tests.unit.entrypoints.config.support_config import ENVIRON

HEADER = "partners.wind.user_id_header"
OTHER_PARTNER = {"url": "https://b.example", "api_key": {"env": "WIND_API_KEY"}, "adapter": "wind"}


@pytest.mark.parametrize(
    ("key", "value", "meant"),
    [
        ("routes.wind.partner", "wimd", "wind"),
        ("routes.wind.upstream", "talaria-service", "talaria-services"),
        ("routes.wind.callers", ["app", "ap"], "app"),
        ("partners.wind.adapter", "winds", "wind"),
    ],
)
def test_a_name_must_exist(bench: Bench, key: str, value: Any, meant: str) -> None:
    problems = bench.problems({key: value})
    assert set(problems) == {key}
    assert problems[key].hint == f'did you mean "{meant}"?'


@pytest.mark.parametrize("section", ["callers", "partners", "upstreams", "routes"])
def test_each_kind_of_table_is_there_at_least_once(bench: Bench, section: str) -> None:
    assert bench.problems({section: {}})[section].wrong == "there is none"


def test_two_callers_may_not_share_an_issuer(bench: Bench) -> None:
    problems = bench.problems({"callers.web": GOOD["callers"]["app"]})
    assert set(problems) == {"callers.web.issuer"}
    assert "callers.app" in problems["callers.web.issuer"].wrong


def test_a_caller_is_not_ourselves(bench: Bench) -> None:
    assert set(bench.problems({"callers.app.issuer": "talaria-proxy"})) == {"callers.app.issuer"}


def test_decisions_need_edges_that_may_ask_and_a_place_of_their_own(bench: Bench) -> None:
    server = {"decision_listen": "127.0.0.1:81", "trusted_edges": ["127.0.0.0/8"]}
    settings = bench.load({f"server.{key}": value for key, value in server.items()})
    assert str(settings.server.decision_listen) == "127.0.0.1:81"
    assert set(bench.problems({"server.decision_listen": "127.0.0.1:81"})) == {"server.trusted_edges"}
    for taken in ("127.0.0.1:8080", "0.0.0.0:9090"):
        problems = bench.problems({"server.trusted_edges": ["::1/128"], "server.decision_listen": taken})
        assert set(problems) == {"server.decision_listen"}


@pytest.mark.parametrize(
    ("listen", "ops"),
    [("127.0.0.1:80", "127.0.0.1:80"), ("0.0.0.0:80", "127.0.0.1:80"), ("127.0.0.1:80", "[::]:80")],
)
def test_two_listeners_need_two_places(bench: Bench, listen: str, ops: str) -> None:
    assert set(bench.problems({"server.listen": listen, "server.ops_listen": ops})) == {"server.ops_listen"}


@pytest.mark.parametrize(
    ("listen", "ops"), [("127.0.0.1:0", "127.0.0.1:0"), ("127.0.0.1:80", "127.0.0.2:80"), ("h:80", "h:81")]
)
def test_any_free_port_is_never_the_same_twice(bench: Bench, listen: str, ops: str) -> None:
    bench.load({"server.listen": listen, "server.ops_listen": ops})


@each_row("name", sorted(headers._RESERVED | {b"cookie", b"content-type", b"x-talaria-user"}))
def test_a_user_id_header_is_no_name_with_another_use(bench: Bench, name: bytes) -> None:
    assert set(bench.problems({HEADER: name.decode()})) == {HEADER}


@pytest.mark.parametrize("name", ["x-api--key", "xauthorization", "x-user", "scooter-user"])
def test_a_user_id_header_is_compared_as_servers_fold_it(bench: Bench, name: str) -> None:
    if headers.canonical_name(name.encode()) == b"xapikey":
        assert set(bench.problems({HEADER: name})) == {HEADER}
    else:
        assert bench.load({HEADER: name}).partners["wind"].user_id_header == name


@pytest.mark.parametrize("header", ["x-wind-user-id", "x-windu-serid"])
def test_two_partners_may_not_share_a_user_id_header(bench: Bench, header: str) -> None:
    changes = {"partners.bolt": {**OTHER_PARTNER, "user_id_header": header}}
    assert set(bench.problems(changes)) == {"partners.bolt.user_id_header"}


def test_a_partner_may_not_take_anothers_own_name(bench: Bench) -> None:
    changes = {"partners.bolt": OTHER_PARTNER, HEADER: "x-bolt-user-id"}
    assert set(bench.problems(changes)) == {"partners.bolt.user_id_header"}


@pytest.mark.parametrize("at", ["personal", "partners.wind", "upstreams.talaria-services", "callers.app"])
def test_every_way_out_may_lead_through_an_egress_proxy(bench: Bench, at: str) -> None:
    bench.load({f"{at}.egress_proxy": "http://p:3128"})
    assert set(bench.problems({f"{at}.egress_proxy": "p:3128"})) == {f"{at}.egress_proxy"}


def test_methods_before_which_an_old_pair_is_exchanged_again(bench: Bench) -> None:
    assert bench.load().routes["wind"].recheck == RecheckSettings()
    loaded = bench.load({"routes.wind.recheck": {"methods": ["POST", "DELETE"], "max_age": "30s"}})
    assert loaded.routes["wind"].recheck == RecheckSettings(methods=("POST", "DELETE"), max_age=30.0)
    assert bench.load({"routes.wind.recheck": {"methods": ["POST"]}}).routes["wind"].recheck.max_age == 60.0


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"recheck": {"max_age": "1s"}}, "recheck.methods"),
        ({"recheck": {"methods": ["POST", "PSOT"]}}, "recheck.methods[1]"),
        ({"recheck": {"methods": ["GET", "PUT"]}, "methods": ["GET", "POST"]}, "recheck.methods[1]"),
        ({"recheck": {"methods": "POST"}}, "recheck.methods"),
        ({"recheck": {"methods": ["POST"], "max_age": 60}}, "recheck.max_age"),
        ({"recheck": ["POST"]}, "recheck"),
        ({"recheck": {"method": ["POST"]}}, "recheck.method"),
    ],
)
def test_a_recheck_that_says_nothing_or_can_not_be(bench: Bench, changes: dict[str, Any], key: str) -> None:
    assert set(bench.problems({f"routes.wind.{name}": value for name, value in changes.items()})) == {
        f"routes.wind.{key}"
    }


def test_a_route_without_identity_has_nothing_to_exchange_again(bench: Bench) -> None:
    jobs = {"api_key": {"env": "JOBS"}}
    route = {"identity": "none", "upstream": "talaria-services", "recheck": {"methods": ["POST"]}}
    problems = bench.problems({"callers.jobs": jobs, "routes.jobs": route}, {**ENVIRON, "JOBS": "j" * 32})
    assert set(problems) == {"routes.jobs.recheck"}
