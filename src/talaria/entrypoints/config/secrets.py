"""Secrets: read once, from the environment or a file, and shown nowhere."""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Meta

from talaria.domain.model import Sensitive
from talaria.entrypoints.config.problems import InvalidValue, did_you_mean, kind_of
from talaria.entrypoints.config.sources import LoadContext

HINT = 'write { env = "NAME" } or { file = "PATH" }'
LEAST_API_KEY = 32
MOST_API_KEYS = 2
_AS_TEXT = "write the secret as text, in base64 or hexadecimal where it is bytes"
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Secret(Sensitive):
    """A text with `***` for its repr and str. `file` is where it was read from, None for the environment."""

    __slots__ = ("file",)
    _label = "***"

    def __init__(self, text: str = "", file: Path | None = None) -> None:
        super().__init__(text)
        self.file = file


def _secret(value: object, context: LoadContext) -> Secret:
    if not isinstance(value, dict):
        # Not shown: it may be the secret itself.
        raise InvalidValue(f"{kind_of(value)} stands here, but a secret is never written into the configuration")
    for name in value:
        if name not in ("env", "file"):
            raise InvalidValue(f'a secret has no key "{name}"', f"{did_you_mean(name, ('env', 'file'))} ({HINT})")
    if len(value) != 1:
        raise InvalidValue("a secret has either env or file" if value else "this names no source")
    ((source, name),) = value.items()
    if not isinstance(name, str) or not name or "\0" in name:
        raise InvalidValue(f"{source} is not the name of anything")
    file = context.file(name) if source == "file" else None
    called = f'the file "{file}"' if file else f'the environment variable "{name}"'
    try:
        content = file.read_bytes() if file else _variable(name, context.environ)
        text = content.decode().removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise InvalidValue(f"{called} can't be read ({error.strerror})", "name one that this user may read") from None
    except UnicodeDecodeError:
        raise InvalidValue(f"{called} is not UTF-8 text", _AS_TEXT) from None
    if not text:
        raise InvalidValue(f"{called} is empty", "put the secret there")
    return Secret(text, file)


def _variable(name: str, environ: Mapping[str, str]) -> bytes:
    if not _ENV_NAME.fullmatch(name):
        # Not shown, for the same reason.
        raise InvalidValue("env is not the name of an environment variable")
    if name not in environ:
        raise InvalidValue(
            f'the environment variable "{name}" is not set', f"set {name}, or read the secret from a file"
        )
    return os.fsencode(environ[name])


def _header_value(value: object, context: LoadContext) -> Secret:
    secret = _secret(value, context)
    if not _HEADER_VALUE.fullmatch(secret.reveal()):
        wrong = "it has a line break, an outer space or another character that is not visible ASCII"
        raise InvalidValue(f"the secret can't be sent in a header: {wrong}", "put the bare token there, on one line")
    return secret


def _long_enough(secret: Secret) -> Secret:
    if len(secret.reveal()) < LEAST_API_KEY:
        raise InvalidValue("the secret is too short", f"use a random one of {LEAST_API_KEY} characters or more")
    return secret


def _person_key(value: object, context: LoadContext) -> Secret:
    return _long_enough(_secret(value, context))


def _api_keys(value: object, context: LoadContext) -> tuple[Secret, ...]:
    given = value if isinstance(value, list) else [value]
    if not 1 <= len(given) <= MOST_API_KEYS:
        raise InvalidValue(
            f"{len(given)} API keys stand here", "write one, or two while the caller changes to the next"
        )
    keys = tuple(_long_enough(_header_value(one, context)) for one in given)
    if len(set(keys)) < len(keys):
        raise InvalidValue("both API keys are the same", "leave one of them out")
    return keys


_NAME = {"type": "string", "minLength": 1}
_ONE = {"additionalProperties": False, "minProperties": 1, "maxProperties": 1}
_SCHEMA = {"type": "object", "properties": {"env": _NAME, "file": _NAME}, **_ONE}
_LIST = {"type": "array", "items": _SCHEMA, "minItems": 1, "maxItems": MOST_API_KEYS}


def _meta(parse: Callable[[Any, LoadContext], object], title: str = "secret", **schema: object) -> Meta:
    return Meta(title=title, extra_json_schema=schema or _SCHEMA, extra={"parse": parse, "hint": HINT})


SECRET = _meta(_secret)
"""Any text."""
HEADER_SECRET = _meta(_header_value)
"""A text that can be the value of a header."""
PERSON_KEY = _meta(_person_key)
"""Any text of 32 characters or more."""
API_KEYS = _meta(_api_keys, "secret, or a list of two", anyOf=[_SCHEMA, _LIST])
"""One secret of 32 characters or more, or a list of up to two; as a tuple."""
