"""nginx: auth_request as an edge, `hash` on what njs reads of the token as a balancer."""

import json
from pathlib import Path

from talaria.entrypoints.cli.render.facts import Facts
from talaria.entrypoints.cli.render.template import fill

SCRIPT = "person.js"
MODULE = "ngx_http_js_module.so"
_MODULES = ("/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/etc/nginx/modules")

_ENCODED = (
    r"%(?:2[0-46-9a-dA-D]|[346][0-9a-fA-F]|5[0-9abd-fABD-F]|7[0-9a-eA-E]|[89abAB][0-9a-fA-F]|[cC][2-9a-fA-F]"
    r"|[dD][0-9a-fA-F]|[eE][1-9a-fA-F]|[fF][1-4])"
)
_SEGMENT = rf"(?:[A-Za-z0-9_~!&()*+,:@=-]|{_ENCODED})(?:[A-Za-z0-9._~!&()*+,:@=-]|{_ENCODED})*"
PLAIN_TARGET = rf"^/(?:{_SEGMENT}(?:/{_SEGMENT})*/?)?(?:\?[!$-\[\]-~]*)?$"
"""Some of the targets that every server reads alike. A kept decision is for these; any other target is asked about."""


def balance(facts: Facts) -> str:
    """The whole configuration of a balancer."""
    claims = json.dumps(facts.claims, separators=(",", ":")).replace("'", r"\u0027").replace("$", r"\u0024")
    return fill("nginx-balance.conf", facts, modules=_modules(), module=MODULE, claims=claims)


def edge(facts: Facts) -> str:
    """The whole configuration of an edge."""
    ip4_alone = facts.listen.host.replace(".", "").isdigit()  # no client's address has colons then
    return fill("nginx-edge.conf", facts, ip4_alone=ip4_alone, plain_target=PLAIN_TARGET)


def _modules() -> list[Path]:
    """Where packages of this machine have njs."""
    return [path for folder in _MODULES if (path := Path(folder) / MODULE).exists()]
