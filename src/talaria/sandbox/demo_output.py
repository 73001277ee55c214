"""The journey as lines for a terminal. In a pipe the same lines come without colours."""

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from talaria.sandbox.demo import TARGET, Change, Refusal, Trip
from talaria.sandbox.world import World

_SAID = {
    "issuer": "the caller's key set",
    "personal": "<personal_phone_id> is <phone>",
    "wind": "<phone> is a user of wind",
    "talaria-services": "the request, for that user",
}


def line(console: Console, text: str = "", style: str = "") -> None:
    """One line, never broken: what is to be pasted stays whole."""
    console.print(Text(text, style=style), soft_wrap=True)


def show_trip(console: Console, title: str, trip: Trip) -> None:
    """A request's way, one line for each hop: when it began, who asked whom, what came back, how long it took."""
    line(console)
    line(console, title, "bold")
    _step(console, 0, "client -> gateway", f"GET {TARGET}", "cyan")
    for hop in trip.hops:
        _step(
            console,
            hop.at,
            f"  gateway -> {hop.service}",
            f"{_SAID[hop.service]:<32} {hop.status} in {hop.took:.1f} ms",
        )
    cache = "miss: personal and wind were asked" if trip.exchanged else "hit: nobody was asked"
    style = "green" if trip.status == 200 else "red"
    _step(console, trip.took, "client <- gateway", f"{trip.status}, {trip.size} bytes; identity cache {cache}", style)


def _step(console: Console, at: float, who: str, what: str, style: str = "") -> None:
    line(console, f"  {at:7.1f} ms  {who:<29} {what}", style)


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


def show_ways_on(console: Console, world: World, refusal: Refusal) -> None:
    """What to paste into another shell, and where to look."""
    url = world.public_url + TARGET
    authorization = world.headers()["authorization"]
    line(console)
    line(console, "Paste this into another shell (the token is good for 12 hours):", "bold")
    line(console, f"curl -sS -H 'x-api-tag: wind' -H 'authorization: {authorization}' '{url}'", "green")
    line(console)
    line(console, f"This one is refused: {refusal.status} {refusal.reason}. {refusal.detail}", "bold")
    line(console, f"curl -sS -i -H 'x-api-tag: wind' '{url}'", "yellow")
    line(console)
    show_addresses(console, world)


def show_addresses(console: Console, world: World) -> None:
    """Where everything listens."""
    line(console, f"operators' listener  {world.ops_url}  (/livez /readyz /metrics)")
    for service in world.all_services:
        line(console, f"{service.name:<19}  {service.url}  (simulated; faults: PUT /_sandbox/faults)")
    people = ", ".join(world.personal.phones)
    line(console, f'tokens: POST {world.issuer.url}/token {{"personal_phone_id": ...}}; known are {people}')


def show_kept(console: Console, world: World) -> None:
    """How to use the files with a gateway of one's own."""
    config = world.config_path
    line(console)
    line(console, "The configuration and the keys stay in this folder. To use them with a gateway of your own:", "bold")
    line(
        console,
        f"  talaria sandbox --keep {world.folder} --no-gateway   the simulated services: they must go on running",
    )
    line(console, f"  talaria serve --config {config}   the gateway, in another shell")
    line(console, f"  talaria token --config {config} ppid-anna   a token for a person")
