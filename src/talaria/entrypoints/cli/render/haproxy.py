"""HAProxy: Lua asks Talaria as an edge, `balance hash` on the token's claims as a balancer."""

import re
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

from talaria.entrypoints.cli.render.facts import Endpoint, Facts
from talaria.entrypoints.cli.render.template import fill
from talaria.entrypoints.config.settings import TlsSettings

SCRIPT = "decide.lua"

_PATH = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_ASKS = 4
"""How often HAProxy asks before it gives up."""


def balance(facts: Facts) -> str:
    """The whole configuration of a balancer."""
    return fill("haproxy-balance.cfg", facts, quoted=_quoted, ids=_ids(facts.gateways))


def edge(facts: Facts) -> str:
    """The whole configuration of an edge."""
    return fill("haproxy-edge.cfg", facts, decision_milliseconds=round(facts.decision_timeout * 1000 / _ASKS))


def can_read(claim: str) -> bool:
    """Whether HAProxy can read this claim of a token."""
    return _PATH.fullmatch(claim) is not None


def finds_key(tls: TlsSettings) -> bool:
    """Whether HAProxy finds the key of its own certificate."""
    return tls.cert_file is None or tls.key_file in (tls.cert_file, Path(f"{tls.cert_file}.key"))


def _ids(endpoints: Sequence[Endpoint]) -> dict[Endpoint, int]:
    """A place on the ring for each, which follows from its address alone unless two would have the same."""
    ids: dict[Endpoint, int] = {}
    for endpoint in sorted(endpoints, key=str):
        place = crc32(str(endpoint).encode()) & 0x3FFFFFFF or 1
        while place in ids.values():
            place += 1
        ids[endpoint] = place
    return ids


def _quoted(text: str) -> str:
    return "'" + text.replace("'", r"'\''") + "'"
