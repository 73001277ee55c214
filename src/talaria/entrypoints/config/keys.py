"""Key material: read once, checked against its algorithms, kept in the settings."""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from talaria.adapters.auth.jwk import VerifyingKey, pick, public_key, read_key_set, secret_key
from talaria.adapters.auth.key_files import check_key_set, load_public_keys, load_signing_key
from talaria.entrypoints.config.problems import Refuse
from talaria.entrypoints.config.secrets import Secret
from talaria.entrypoints.config.settings import CallerSettings, Settings, SigningKeySettings

_SOURCES = ("jwks_url", "jwks_file", "public_key_file", "secret", "api_key")
_MATCHING = "write an algorithm that the key is made for, or name another key"


def read_keys(settings: Settings, refuse: Refuse) -> Settings:
    """The settings with `pem` and `key_material` filled in, as far as the keys are good."""
    callers = {name: _caller(caller, refuse) for name, caller in settings.callers.items()}
    keys = [_signing_key(f"signing.keys[{at}]", key, refuse) for at, key in enumerate(settings.signing.keys)]
    kids = [key.kid for key in keys]
    for at, kid in enumerate(kids):
        if kid in kids[:at]:
            refuse(f"signing.keys[{at}].kid", "another key has this kid", "give each key its own")
    return replace(settings, callers=callers, signing=replace(settings.signing, keys=tuple(keys)))


def _signing_key(at: str, key: SigningKeySettings, refuse: Refuse) -> SigningKeySettings:
    pem = _content(key.file, f"{at}.file", refuse)
    if pem is None:
        return key
    try:
        load_signing_key(pem)
        return replace(key, pem=Secret(pem.decode()))
    except UnicodeDecodeError:
        refuse(f"{at}.file", "this is not UTF-8 text", "leave nothing but the key in PEM form there")
    except ValueError as error:
        refuse(f"{at}.file", str(error), "make a key with: talaria keys new --out FILE")
    return key


def _caller(caller: CallerSettings, refuse: Refuse) -> CallerSettings:
    at = f"callers.{caller.name}"
    given = [source for source in _SOURCES if getattr(caller, source) is not None]
    if len(given) != 1:
        wrong = f"{' and '.join(given)} can't be together" if given else "nothing says where its keys are"
        refuse(at, wrong, f"write exactly one of {', '.join(_SOURCES)}")
        return caller
    source = given[0]
    if source == "api_key":
        return caller
    _check_pairing(at, source, caller.algorithms, refuse)
    if source == "jwks_url":
        return caller
    value: Path | Secret = getattr(caller, source)
    content = value.reveal().encode() if isinstance(value, Secret) else _content(value, f"{at}.{source}", refuse)
    if content is None:
        return caller
    try:
        keys = _READERS[source](content)
    except ValueError as error:
        refuse(f"{at}.{source}", str(error), _HINTS[source])
        return caller
    _check_fit(at, source, keys, caller.algorithms, refuse)
    return caller if isinstance(value, Secret) else replace(caller, key_material=content)


def _check_pairing(at: str, source: str, algorithms: Collection[str], refuse: Refuse) -> None:
    if source == "secret" and set(algorithms) != {"HS256"}:
        refuse(f"{at}.algorithms", "only HS256 goes with a secret", 'write algorithms = ["HS256"]')
    if source != "secret" and "HS256" in algorithms:
        wrong = f"HS256 does not go with {source}"
        refuse(f"{at}.algorithms", wrong, "write a secret, or leave HS256 out")


def _check_fit(at: str, source: str, keys: Sequence[VerifyingKey], algorithms: Collection[str], refuse: Refuse) -> None:
    for algorithm in sorted(set(algorithms) - {"HS256"} if source != "secret" else ()):
        kids = [key.kid for key in keys if algorithm in key.algorithms]
        if not kids:
            refuse(f"{at}.algorithms", f"no key of {source} fits {algorithm}", _MATCHING)
        elif source == "public_key_file" and pick(keys, None, algorithm) is None:
            # A PEM key has no name, so nothing would choose between the two.
            refuse(f"{at}.{source}", f"{len(kids)} keys fit {algorithm}", "use a jwks_file with kids")
        elif any(pick([key for key in keys if key.kid == kid], kid, algorithm) is None for kid in kids):
            refuse(f"{at}.{source}", f"two keys for {algorithm} have the same kid", "give each its own")


def _content(path: Path, at: str, refuse: Refuse) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError as error:
        refuse(at, f'the file "{path}" can\'t be read ({error.strerror})', "name one that this user may read")
        return None


def _key_set(document: bytes) -> Sequence[VerifyingKey]:
    # The verifier passes over what it can't use; in a file of our own it is a mistake.
    check_key_set(document)
    return read_key_set(document)


_READERS: Mapping[str, Callable[[bytes], Sequence[VerifyingKey]]] = {
    "jwks_file": _key_set,
    "public_key_file": lambda pem: [public_key(key) for key in load_public_keys(pem)],
    "secret": lambda content: [secret_key(content)],
}
_HINTS = {
    "jwks_file": "write the set of the caller's public keys (RFC 7517) there",
    "public_key_file": "put the caller's public key there (PEM, BEGIN PUBLIC KEY)",
    "secret": "use a random secret of 32 bytes or more",
}
