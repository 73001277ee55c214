"""The classic ways in which a network fails, as data: what a relay does to the bytes of one direction."""

from dataclasses import dataclass
from typing import Literal

Direction = Literal["request", "answer"]
"""Towards the dependency, or back from it."""

Kind = Literal["latency", "jitter", "down", "bandwidth", "slow-close", "timeout", "reset", "slicer", "cut", "hold"]


@dataclass(frozen=True, slots=True)
class Toxic:
    """One way to fail.

    - latency: each piece comes `seconds` late. jitter: up to `seconds` late, by chance.
    - down: towards the dependency nothing listens; back from it connections are taken and closed without a word.
    - bandwidth: `size` bytes a second. slicer: pieces of `size` bytes, `seconds` apart.
    - slow-close: an end of the stream comes `seconds` late. timeout: nothing comes through, nothing is closed.
    - hold: what comes waits until all is well again.
    - reset: the first byte resets the connection. cut: the connection is closed after `size` bytes.
    """

    kind: Kind
    seconds: float = 0.0
    size: int = 0


EIGHT = (
    Toxic("latency", seconds=5.0),
    Toxic("jitter", seconds=0.06),
    Toxic("down"),
    Toxic("bandwidth", size=100),
    Toxic("slow-close", seconds=0.2),
    Toxic("timeout"),
    Toxic("reset"),
    Toxic("slicer", seconds=0.001, size=20),
    Toxic("cut", size=30),
)
"""Each kind once (latency and jitter are one of the eight), strong enough to show within half a second."""
