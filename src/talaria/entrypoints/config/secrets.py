"""Secrets: read once, from the environment or a file, and shown nowhere."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from talaria.domain.model import Sensitive
from talaria.entrypoints.config.problems import Wrong, did_you_mean, kind_of
from talaria.entrypoints.config.values import Form, Surroundings

INSTEAD = 'write { env = "NAME" } or { file = "PATH" }'
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Secret(Sensitive):
    """A text whose repr and str are `***`. `file` is where it was read from, None for the environment."""

    __slots__ = ("file",)
    _label = "***"

    def __init__(self, text: str, file: Path | None = None) -> None:
        super().__init__(text)
        self.file = file


def _read(value: object, around: Surroundings) -> Secret:
    if not isinstance(value, dict):
        # Not shown: somebody may have written the secret itself.
        raise Wrong(f"{kind_of(value)} stands here, but a secret is never written into the configuration", INSTEAD)
    for name in value:
        if name not in ("env", "file"):
            raise Wrong(f'a secret has no key "{name}"', f"{did_you_mean(name, ('env', 'file'))} ({INSTEAD})")
    if len(value) != 1:
        raise Wrong("a secret has either env or file" if value else "this names no source", INSTEAD)
    source, name = next(iter(value.items()))
    if not isinstance(name, str) or not name or "\0" in name:
        raise Wrong(f"{source} is not the name of anything", INSTEAD)
    secret = _from_environment(name, around) if source == "env" else _from_file(around.file(name))
    if not secret.reveal():
        raise Wrong(f'the {"variable" if source == "env" else "file"} "{name}" is empty', "put the secret there")
    return secret


def _from_environment(name: str, around: Surroundings) -> Secret:
    if not _ENV_NAME.fullmatch(name):
        # Not shown, for the same reason.
        raise Wrong("env is not the name of an environment variable", INSTEAD)
    if name not in around.environ:
        raise Wrong(f'the environment variable "{name}" is not set', f"set {name}, or read the secret from a file")
    return Secret(_without_newline(around.environ[name]))


def _from_file(path: Path) -> Secret:
    try:
        return Secret(_without_newline(path.read_bytes().decode()), path)
    except OSError as error:
        raise Wrong(f'the file "{path}" can\'t be read ({error.strerror})', "name a readable file") from None
    except UnicodeDecodeError:
        raise Wrong(f'the file "{path}" is not UTF-8 text', "write the secret as text") from None


def _without_newline(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r")


def _header_value(value: object, around: Surroundings) -> Secret:
    secret = _read(value, around)
    if not _HEADER_VALUE.fullmatch(secret.reveal()):
        raise Wrong(
            "the secret can't be sent in a header: it has a line break, an outer space or another character "
            "that is not visible ASCII",
            "put the bare token there, on one line",
        )
    return secret


def _long_enough(value: object, around: Surroundings) -> Secret:
    secret = _read(value, around)
    if len(secret.reveal()) < LEAST_API_KEY:
        raise Wrong("the secret is too short", f"use a random one of {LEAST_API_KEY} characters or more")
    return secret


def _api_keys(value: object, around: Surroundings) -> tuple[Secret, ...]:
    given = value if isinstance(value, list) else [value]
    if not 1 <= len(given) <= MOST_API_KEYS:
        raise Wrong(f"{len(given)} API keys stand here", "write one, or two while the caller changes to the next")
    keys = tuple(_header_value(one, around) for one in given)
    if any(len(key.reveal()) < LEAST_API_KEY for key in keys):
        raise Wrong("the API key is too short", f"use a random one of {LEAST_API_KEY} characters or more")
    if len(set(keys)) < len(keys):
        raise Wrong("both API keys are the same", "leave one of them out")
    return keys


def _form(parse: Callable[[Any, Surroundings], Secret]) -> Form:
    member = {"type": "string", "minLength": 1}
    schema = {
        "type": "object",
        "properties": {"env": member, "file": member},
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    return Form(parse, schema, text=False, members=("env", "file"), kind="secret")


SECRET = _form(_read)
"""Any text."""

LEAST_API_KEY = 32
MOST_API_KEYS = 2

HEADER_SECRET = _form(_header_value)
"""A text that can be the value of a header."""

PERSON_KEY = _form(_long_enough)
"""Any text of 32 characters or more."""

API_KEYS = Form(
    _api_keys,
    {
        "anyOf": [
            HEADER_SECRET.schema,
            {"type": "array", "items": HEADER_SECRET.schema, "minItems": 1, "maxItems": MOST_API_KEYS},
        ]
    },
    text=False,
    members=("env", "file"),
    kind="secret, or a list of two",
)
"""One secret of 32 characters or more, or a list of up to two; as a tuple."""
