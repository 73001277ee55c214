"""Tokens from their declarations in `cases/tokens.toml`, and the callers that they claim to be from."""

import itertools
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tests.integration.attacks.support_cases import Case
from tests.integration.gateway.support_client import request
from tests.integration.gateway.support_gateway import Town, Tree
from tests.unit.adapters.auth import support_tokens as workshop
from tests.unit.adapters.auth.support_tokens import BOUND, HMAC, KEYS, MANY, PEM, b64, jwk, key_set, sign, unb64

_NOW = re.compile(r"NOW([+-]\d+)?")
_MANY_ALGORITHMS = ["ES256", "ES384", "RS256", "PS256", "EdDSA"]
_BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def prepare(folder: Path) -> Town:
    """A town with the keys of the workshop at its issuer."""
    town = Town(folder)
    town.caller_key = KEYS["ec-1"]
    town.issuer.keys = [jwk("ec-1", "app-1"), *(jwk(name) for name in ("ec-2", "p384", "rsa", "ed"))]
    town.issuer.others = {"/bound": json.loads(workshop.bound_set())["keys"]}
    (folder / "many.json").write_bytes(key_set(jwk("ec-many", "ec-1"), *map(jwk, ("p384", "rsa", "ed"))))
    (folder / "caller.pem").write_bytes(KEYS["rsa-pem"])
    (folder / "shared.secret").write_bytes(KEYS["secret"])
    (folder / "shared.secret").chmod(0o600)
    return town


def callers_of(town: Town) -> Tree:
    """The callers of the workshop, as the configuration has them; their key set must be served by now."""
    return {
        "many": {"issuer": MANY, "algorithms": _MANY_ALGORITHMS, "jwks_file": "many.json"},
        "hmac": {"issuer": HMAC, "algorithms": ["HS256"], "secret": {"file": "shared.secret"}},
        "pem": {"issuer": PEM, "algorithms": ["RS256"], "public_key_file": "caller.pem"},
        "bound": {"issuer": BOUND, "algorithms": _MANY_ALGORITHMS, "jwks_url": f"{town.issuer.url}/bound"},
    }


class Forge:
    """Makes the tokens of cases, in one town."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self._numbers = itertools.count()

    def forged(self, case: Case) -> tuple[str, str]:
        """The token of a case, and the user id of the person that a good reader finds in it."""
        user_id = f"user-of-token-{next(self._numbers)}"
        if case.text("special") == "service-token":
            return self._service_token(), user_id
        person = self.town.person(user_id)
        header = _text(case, "header", {"typ": "JWT", "alg": "ES256", "kid": "app-1"})
        payload = _text(case, "claims", self.town.claims(person))
        self._know(payload, person)
        token = sign(header, payload, case.text("key", "ec-1"), case.text("sign_as", "ES256")).decode("latin-1")
        return _shaped(case, token), user_id

    def _know(self, payload: bytes, person: str) -> None:
        """Any person that the claims name, in any claim, is known to personal by the number of this one."""
        try:
            named = json.loads(payload)["personal_phone_id"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return
        if isinstance(named, str):
            self.town.personal.phones[named] = self.town.personal.phones[person]

    def _service_token(self) -> str:
        """What the gateway last said to the upstream."""
        return self.town.upstream.seen[-1].head.one("authorization").removeprefix("Bearer ")


def request_with(token: str, case: Case) -> bytes:
    """The request of a case, with its token."""
    lines = [line.replace("{t}", token) for line in case.more.get("lines", ["authorization: Bearer {t}"])]
    return request(None, case.text("target", "/"), *lines)


def _text(case: Case, part: str, good: dict[str, Any]) -> bytes:
    """One of the two JSON texts of a token."""
    if whole := case.text(f"{part}_text"):
        text = _timed(whole.replace(part.upper(), json.dumps(good)[1:-1]))
        return text.replace("FILL", case.filling).encode(case.text("encoding", "utf-8"))
    changed = {**good, **json.loads(_timed(case.text(part, "{}")))}
    without = case.lines("without" if part == "claims" else f"without_{part}")
    return json.dumps({name: value for name, value in changed.items() if name not in without}).encode()


def _timed(text: str) -> str:
    now = int(time.time())
    return _NOW.sub(lambda match: str(now + int(match[1] or 0)), text)


def _shaped(case: Case, token: str) -> str:
    head, payload, signature = token.split(".")
    if change := case.text("signature"):
        signature = _SIGNATURES[change](signature)
    shape = case.text("shape", "{h}.{p}.{s}")
    shaped = shape.replace("{h}", head).replace("{p}", payload).replace("{s}", signature)
    if pad := case.text("pad"):
        length = int(case.more["length"])
        return (shaped + pad * length)[:length]
    return shaped


def _raw(change: Callable[[bytes], bytes]) -> Callable[[str], str]:
    """A change of the signature's bytes."""
    return lambda signature: b64(change(unb64(signature.encode()))).decode()


def _der(signature: bytes) -> bytes:
    return encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))


def _stray(signature: str) -> str:
    """Another spelling of the same bytes."""
    return signature[:-1] + _BASE64URL[_BASE64URL.index(signature[-1]) ^ 1]


_SIGNATURES: dict[str, Callable[[str], str]] = {
    "zeros": _raw(lambda signature: bytes(len(signature))),
    "ones": _raw(lambda signature: b"\xff" * len(signature)),
    "swapped": _raw(lambda signature: signature[32:] + signature[:32]),
    "der": _raw(_der),
    "shorter": _raw(lambda signature: signature[:-1]),
    "longer": _raw(lambda signature: signature + b"\0"),
    "turned": _raw(lambda signature: bytes([signature[0] ^ 1]) + signature[1:]),
    "another": _raw(lambda _: unb64(sign(b"{}", b"{}", "ec-1", "ES256").rpartition(b".")[2])),
    "stray": _stray,
}
