"""The demo as lines for a terminal. In a pipe the same lines come without colours."""

from collections.abc import Iterator
from textwrap import fill

from rich.console import Console
from rich.text import Text

from talaria.entrypoints.cli.shared import pasted, say
from talaria.sandbox.demo import TARGET, Change, DemoResult, RefusedResult
from talaria.sandbox.stack import Sandbox


def line(console: Console, text: str = "", style: str = "") -> None:
    """One line, never broken: what is to be pasted stays whole."""
    console.print(Text(text, style=style), soft_wrap=True)


def show_result(console: Console, title: str, result: DemoResult) -> None:
    """A request's way, one line for each hop: when it began, what was asked, what came back, how long it took."""
    line(console)
    line(console, title, "bold")
    _step(console, 0, "client -> gateway", f"GET {TARGET}", "cyan")
    for hop in result.hops:
        what = f"{hop.summary:<30} {hop.status}, {hop.took:.1f} ms"
        _step(console, hop.at, f"gateway -> {hop.service}", what)
    style = "green" if result.status == 200 else "red"
    what = f"{result.status}, {result.size} bytes, identity cache {'miss' if result.exchanged else 'hit'}"
    _step(console, result.took, "client <- gateway", what, style)


def _step(console: Console, at: float, way: str, what: str, style: str = "") -> None:
    line(console, f"{at:5.1f} ms {way:<27} {what}", style)


def show_changes(console: Console, changes: list[Change]) -> None:
    """What the gateway took away, put in the place of something, and added."""
    line(console)
    line(console, "What talaria-services got, beside what the client sent:", "bold")
    for text in _in_groups(changes):
        line(console, f"  {text}")


def _in_groups(changes: list[Change]) -> Iterator[str]:
    for change in changes:
        if not change.after:
            yield f"stripped  {change.name}: {change.before}"
    for change in changes:
        if change.before and change.after:
            yield f"replaced  {change.name}: {change.before} -> {change.after}"
    for change in changes:
        if not change.before:
            yield f"added     {change.name}: {change.after}"


def show_refused(console: Console, refused: RefusedResult) -> None:
    """What a request without a token gets."""
    line(console)
    line(console, f"Without a token it is refused: {refused.status} {refused.reason}.", "bold")
    say(refused.detail)


def show_next_steps(console: Console, sandbox: Sandbox) -> None:
    """What to paste into another shell while the sandbox serves, and where to look."""
    url = sandbox.public_url + TARGET
    authorization = sandbox.headers()["authorization"]
    line(console)
    line(console, "To paste into another shell (the token is good for 12 hours), and a refusal:", "bold")
    line(console, f"curl -sS -H 'x-api-tag: wind' -H 'authorization: {authorization}' '{url}'", "green")
    line(console, f"curl -sS -i -H 'x-api-tag: wind' '{url}'", "yellow")
    line(console)
    show_addresses(console, sandbox)


def show_addresses(console: Console, sandbox: Sandbox) -> None:
    """Where everything listens."""
    line(console, f"operators' page      {sandbox.ops_url}/  (and /livez /readyz /metrics)")
    for service in sandbox.services:
        line(console, f"{service.name:<19}  {service.url}  (simulated)")
    line(console, f'tokens: POST {sandbox.issuer.url}/token {{"personal_phone_id": ...}}')
    persons = ", ".join(sandbox.personal.phones)
    line(console, fill(f"known persons: {persons}", 80, subsequent_indent=" " * 15, break_on_hyphens=False))
    line(console, "Each simulated service fails as it is told (GET shows every way); wind, say:")
    line(console, f"  curl -X PUT {sandbox.wind.url}/_sandbox/faults -d '{{\"next_failures\": 9}}'")


def show_kept(console: Console, sandbox: Sandbox) -> None:
    """How to use the files with a gateway of one's own."""
    config, folder = pasted(sandbox.config_path), pasted(sandbox.folder.path)
    line(console)
    line(console, f"The configuration and the keys stay in {sandbox.folder.path}.", "bold")
    line(console, "The simulated services, which go on running; a gateway; a person's token:")
    line(console, f"  talaria sandbox --keep {folder} --no-gateway")
    line(console, f"  talaria serve --config {config}")
    line(console, f"  talaria token --config {config} ppid-anna")
