"""What the operators' listener answers, beside readiness, metrics and pages; and the commands that ask it read."""

from typing import Any, Literal

import msgspec

from talaria.adapters.auth.key_rotation import KeyUse
from talaria.adapters.auth.service_tokens import KEY_SET_SECONDS
from talaria.adapters.telemetry.failure_log import FailureRecord

LogLevel = Literal["debug", "info", "warning", "error"]


class Alive(msgspec.Struct, frozen=True):
    """The process serves."""

    alive: bool


class Removed(msgspec.Struct, frozen=True):
    """How many exchanged pairs were forgotten."""

    removed: int


class Failures(msgspec.Struct, frozen=True):
    """Records of the failure log, newest first."""

    entries: list[FailureRecord]


class KeysInForce(msgspec.Struct, frozen=True):
    """The signing keys, the one that signs first. Others may hold an older key set for `key_set_seconds`."""

    keys: list[KeyUse]
    key_set_seconds: int = KEY_SET_SECONDS


class Level(msgspec.Struct, frozen=True):
    """From which level upwards our own lines are written."""

    level: LogLevel


class LevelSet(msgspec.Struct, frozen=True):
    """The level, and how many workers took it."""

    level: LogLevel
    workers: int


class Reloaded(msgspec.Struct, frozen=True):
    """How many workers serve by what is on disk now, of how many; and the hash in force."""

    reloaded: int
    workers: int
    hash: str


class ConfigurationInForce(msgspec.Struct, frozen=True):
    """The settings that requests are served by, without secrets, and their hash. `log_level`: of our own lines."""

    hash: str
    log_level: str
    settings: dict[str, Any]
