"""Envoy: Maglev on what Lua reads of the token as a balancer."""

import re

from talaria.entrypoints.cli.render.facts import Facts
from talaria.entrypoints.cli.render.template import fill


def balance(facts: Facts) -> str:
    """The whole configuration of a balancer."""
    return fill("envoy-balance.yaml", facts, lua=_lua)


def _lua(text: str) -> str:
    """A Lua string: whatever could end it, or mean something in it, by its number."""
    escaped = (chr(byte) if re.match(rb"[A-Za-z0-9:/._-]", bytes([byte])) else f"\\{byte:03}" for byte in text.encode())
    return '"' + "".join(escaped) + '"'
