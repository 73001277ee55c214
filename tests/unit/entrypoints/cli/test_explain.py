"""`talaria explain`: the timeline, the list, and what it says where there is nothing to be had."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx
import msgspec
import pytest
from click.testing import CliRunner, Result

from talaria.adapters.telemetry.failure_log import PASSED_ON, AttemptRecord, FailureRecord
from talaria.entrypoints.cli import explain
from talaria.entrypoints.cli.init import command as init
from talaria.entrypoints.public.problems import ROWS
from tests.unit.entrypoints.cli.support_listener import Listener
from tests.unit.entrypoints.ops.support_ops import failure_record

Run = Callable[..., Result]


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Listener:
    return Listener(monkeypatch)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    CliRunner().invoke(init, [str(tmp_path)])
    config = str(tmp_path / "talaria.toml")

    def run(*arguments: str, **variables: str) -> Result:
        return CliRunner().invoke(explain.command, [*arguments, "--config", config], env=variables)

    return run


def failed() -> FailureRecord:
    attempts = [
        AttemptRecord("wind", 300.0, 100.5, "503"),
        AttemptRecord("personal", -12.0, 20.0, "ok"),
        AttemptRecord("wind", 450.0, 300.0, "refused", "10.0.0.7:443"),
    ]
    return msgspec.structs.replace(failure_record(), attempts=attempts)


def test_a_timeline_tells_the_story_in_order(run: Run, listener: Listener) -> None:
    listener.body = msgspec.json.encode(failed())
    result = run("r-1")
    assert result.exit_code == 0
    assert listener.urls == ["http://127.0.0.1:9090/5xx/r-1"]
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[:2] == ["502 partner-unreachable", "Origin: the partner. Ended in: exchange."]
    assert "breakers wind open" in lines
    start = lines.index("at took what outcome")
    assert lines[start + 1 : start + 6] == [
        "-12.0 ms 20.0 ms personal (for an earlier request) ok",
        "0.0 ms the head of the request is here",
        "300.0 ms 100.5 ms wind 503",
        "450.0 ms 300.0 ms wind at 10.0.0.7:443 refused",
        "750.0 ms answered 502 partner-unreachable",
    ]
    assert lines[-1].startswith("Look whether it runs")


def test_json_is_the_entry(run: Run, listener: Listener) -> None:
    listener.body = msgspec.json.encode(failed())
    assert msgspec.json.decode(run("r-1", "--json").stdout, type=FailureRecord) == failed()


def test_the_last_ones_are_listed(run: Run, listener: Listener) -> None:
    listener.body = msgspec.json.encode({"entries": [failure_record("r-9"), failure_record("r-8")]})
    result = run("--last", "20")
    assert listener.urls == ["http://127.0.0.1:9090/5xx?last=20"]
    assert result.stdout.index("r-9") < result.stdout.index("r-8")
    assert "750 ms" in result.stdout


def test_the_list_as_json(run: Run, listener: Listener) -> None:
    listener.body = msgspec.json.encode({"entries": [failure_record("r-9")]})
    assert json.loads(run("--last", "1", "--json").stdout)[0]["request_id"] == "r-9"


def test_an_empty_list_says_so(run: Run, listener: Listener) -> None:
    listener.body = b'{"entries": []}'
    result = run("--last", "20")
    assert (result.exit_code, result.stdout.startswith("No answer of 500 or above is remembered. ")) == (0, True)
    assert "--status 4xx" in result.stdout


def test_markup_in_an_entry_is_text(run: Run, listener: Listener) -> None:
    listener.body = msgspec.json.encode(msgspec.structs.replace(failure_record(), cause="[bold]x[/nothing]"))
    assert "[bold]x[/nothing]" in run("r-1").stdout


def test_an_unknown_id_says_why_it_may_be_unknown(run: Run, listener: Listener) -> None:
    result = run("r-1")
    assert result.exit_code == 1
    assert "No answer of 400 or above is remembered for r-1." in result.stderr
    assert "talaria explain --last 20" in result.stderr


def test_an_odd_id_is_sent_encoded_and_not_printed(run: Run, listener: Listener) -> None:
    result = run("a/b?\x1b[31m")
    assert listener.urls == ["http://127.0.0.1:9090/5xx/a%2Fb%3F%1B%5B31m"]
    assert "for this id." in result.stderr


def refused() -> httpx.ConnectError:
    """As httpx raises it: with the system's own error behind it."""
    error = httpx.ConnectError("All connection attempts failed")
    error.__cause__ = ConnectionRefusedError(111, "Connection refused")
    return error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (refused(), "can't be reached (Connection refused)"),
        (httpx.ConnectTimeout("timed out"), "can't be reached (no answer within 2 s)"),
        (httpx.ReadTimeout("timed out"), "can't be reached (no answer within 2 s)"),
        (httpx.ReadTimeout("timed out"), "does the gateway hang"),
        (httpx.RemoteProtocolError("SSH-2.0"), "can't be reached (RemoteProtocolError)"),
    ],
)
def test_what_can_not_be_asked_is_named_with_what_to_do(
    run: Run, listener: Listener, error: Exception, said: str
) -> None:
    listener.error = error
    told(run("r-1"), said)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (500, b"no", "answered 500"),
        (302, b"", "answered 302"),
        (200, b"<html>", "is no operators' listener of this version"),
        (200, b"{}", "is no operators' listener of this version"),
    ],
)
def test_an_answer_of_another_program_is_named(
    run: Run, listener: Listener, status: int, body: bytes, said: str
) -> None:
    listener.status, listener.body = status, body
    told(run("r-1"), said)


def told(result: Result, said: str) -> None:
    assert result.exit_code == 1
    assert "127.0.0.1:9090" in result.stderr
    assert said in result.stderr
    assert result.stderr.splitlines()[1].endswith("?")


@pytest.mark.parametrize(
    ("listens", "asked"),
    [("0.0.0.0:91", "127.0.0.1:91"), ("[::]:91", "[::1]:91"), ("gateway.internal:91", "gateway.internal:91")],
)
def test_a_listener_on_every_address_is_asked_on_the_loopback(
    run: Run, listener: Listener, listens: str, asked: str
) -> None:
    run("r-1", TALARIA__SERVER__OPS_LISTEN=listens)
    assert listener.urls == [f"http://{asked}/5xx/r-1"]


def test_what_is_asked_for_is_sent_on(run: Run, listener: Listener) -> None:
    listener.body = b'{"entries": []}'
    result = run("--status", "401", "--caller", "app", "--since", "2026-11-18T12:00:00+01:00")
    (url,) = listener.urls
    path, _, query = url.partition("?")
    assert path == "http://127.0.0.1:9090/5xx"
    assert set(query.split("&")) == {"last=20", "since=2026-11-18T11%3A00%3A00Z", "caller=app", "status=401"}
    assert result.stdout == "No such answer is remembered.\n"


def test_an_address_is_enough(listener: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    listener.body = msgspec.json.encode({"entries": [failure_record("r-9")]})
    for arguments in (["--ops", "http://10.0.0.5:91/"], []):
        assert "r-9" in CliRunner().invoke(explain.command, ["--last", "1", *arguments]).stdout
    assert [url.split("/")[2] for url in listener.urls] == ["10.0.0.5:91", "127.0.0.1:9090"]


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_what_comes_is_followed_and_told_once(
    run: Run, listener: Listener, monkeypatch: pytest.MonkeyPatch, as_json: list[str]
) -> None:
    listener.body = msgspec.json.encode({"entries": [failure_record("r-2"), failure_record("r-1")]})

    def later(_: float) -> None:
        if len(listener.urls) == 3:
            raise KeyboardInterrupt
        listener.body = msgspec.json.encode({"entries": [failure_record(f"r-{number}") for number in (3, 2, 1)]})

    monkeypatch.setattr("talaria.entrypoints.cli.explain.time.sleep", later)
    told = run("--follow", *as_json).stdout
    assert [told.count(f"r-{number}") for number in (1, 2, 3)] == [1, 1, 1]
    assert told.index("r-1") < told.index("r-2") < told.index("r-3")
    assert told.count("request id") == (0 if as_json else 1)


@pytest.mark.parametrize(("arguments", "told"), [([], range(11, 31)), (["--last", "3"], range(28, 31))])
def test_of_what_was_before_the_last_are_told_alone(
    run: Run, listener: Listener, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: Sequence[int]
) -> None:
    listener.body = msgspec.json.encode({"entries": [failure_record(f"r-{number}") for number in range(30, 0, -1)]})

    def later(_: float) -> None:
        if len(listener.urls) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("talaria.entrypoints.cli.explain.time.sleep", later)
    lines = run("--follow", "--json", *arguments).stdout.splitlines()
    assert [msgspec.json.decode(line)["request_id"] for line in lines] == [f"r-{number}" for number in told]


@pytest.mark.parametrize("width", ["40", "80", "120"])
def test_of_a_timeline_nothing_is_cut_on_any_terminal(
    run: Run, listener: Listener, monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    address = "http://a-long-name.of-a-cluster.internal.example:8443"
    attempt = AttemptRecord("talaria-services", 0.1, 2.0, "connection refused by the other end, at once", address)
    record = msgspec.structs.replace(failure_record(), attempts=[attempt], breakers={address: "open"})
    listener.body = msgspec.json.encode(record)
    monkeypatch.setenv("COLUMNS", width)
    lines = run("r-1").stdout.splitlines()
    assert all(len(line) <= int(width) and "…" not in line for line in lines)
    assert ["at", "took", "what", "outcome"] in [line.split() for line in lines]
    assert any(line.split()[:4] == ["0.1", "ms", "2.0", "ms"] for line in lines)


def test_a_refusal_below_500_is_explained_by_what_its_client_was_told(run: Run, listener: Listener) -> None:
    refused = msgspec.structs.replace(failure_record(), status=401, reason="expired-token", origin="client")
    listener.body = msgspec.json.encode(refused)
    assert ROWS["expired-token"].detail in run("r-1").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        [""],
        ["r-1", "--last", "3"],
        ["r-1", "--status", "401"],
        ["--last", "0"],
        ["--last", "1001"],
        ["--since", "yesterday"],
        *(["--status", status] for status in ("999", "40", "200", "4XX", "401 ", "all")),
        ["--last", "1", "--ops", "10.0.0.5:91"],
    ],
)
def test_wrong_usage(run: Run, listener: Listener, arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2
    assert listener.urls == []


def test_the_upstreams_own_answer_reads_as_such(run: Run, listener: Listener) -> None:
    own = msgspec.structs.replace(failure_record(), status=500, reason="", origin="upstream", phase=PASSED_ON)
    listener.body = msgspec.json.encode(own)
    lines = run("r-1").stdout.splitlines()
    assert lines[:2] == ["500 passed on", "Origin: the upstream. Its own answer, passed on to its end."]
    assert any("answered 500 passed on" in line for line in lines)


def test_a_shell_without_the_services_secrets_will_do(run: Run, listener: Listener, tmp_path: Path) -> None:
    config = tmp_path / "talaria.toml"
    config.write_text(
        config.read_text().replace('partner = "wind"', 'partner = "wnid"').replace("[logging]", "[lgging]")
    )
    listener.body = b'{"entries": []}'
    assert run("--last", "1").exit_code == 0
    assert run("--last", "1", TALARIA__SERVER__OPS_LISTEN="127.0.0.1:9").exit_code == 0
    assert [url.split("/")[2] for url in listener.urls] == ["127.0.0.1:9090", "127.0.0.1:9"]


@pytest.mark.parametrize("line", ['ops_listen = "9090"', "ops_listen = 9090"])
def test_an_address_that_is_none_is_told_alone(run: Run, tmp_path: Path, line: str) -> None:
    config = tmp_path / "talaria.toml"
    config.write_text(config.read_text().replace('ops_listen = "127.0.0.1:9090"', line))
    result = run("--last", "1")
    assert result.exit_code == 78
    assert "1 problem" in result.stderr
    assert "server.ops_listen" in result.stderr


def test_an_address_in_no_table_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "talaria.toml").write_text("server = 1\n")
    assert "write a table: [server]" in run("--last", "1").stderr
