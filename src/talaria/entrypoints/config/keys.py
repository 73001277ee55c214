"""Key material: read once, checked against its algorithms, kept in the settings."""

from collections.abc import Collection, Sequence
from pathlib import Path

from msgspec.structs import replace

from talaria.adapters.auth.jwk import VerifyingKey, public_key, read_key_set, secret_key
from talaria.adapters.auth.key_files import check_key_set, load_public_keys, load_signing_key
from talaria.entrypoints.config.decode import sound
from talaria.entrypoints.config.findings import Findings
from talaria.entrypoints.config.secrets import Secret
from talaria.entrypoints.config.settings import CallerSettings, Settings, SigningKeySettings

_SOURCES = ("jwks_url", "jwks_file", "public_key_file", "secret", "api_key")
_MATCHING = "write an algorithm that the key is made for, or name another key"


def read_keys(settings: Settings, findings: Findings) -> Settings:
    """The settings with `pem` and `key_material` filled in, as far as the keys are good."""
    callers = {name: _caller(caller, findings) for name, caller in settings.callers.items()}
    settings = replace(settings, callers=callers)
    if not sound(settings.signing.keys):
        return settings
    keys = tuple(_signing_key(f"signing.keys[{at}]", key, findings) for at, key in enumerate(settings.signing.keys))
    _check_kids(keys, findings)
    return replace(settings, signing=replace(settings.signing, keys=keys))


def _signing_key(at: str, key: SigningKeySettings, findings: Findings) -> SigningKeySettings:
    if not sound(key.file) or (pem := _content(key.file, f"{at}.file", findings)) is None:
        return key
    try:
        load_signing_key(pem)
    except ValueError as error:
        findings.refuse(f"{at}.file", str(error), "make a key with: talaria keys new --out FILE")
        return key
    return replace(key, pem=Secret(pem.decode(), key.file))


def _check_kids(keys: Sequence[SigningKeySettings], findings: Findings) -> None:
    kids = [key.kid for key in keys]
    for at, kid in enumerate(kids):
        if sound(kid) and kid in kids[:at]:
            findings.refuse(f"signing.keys[{at}].kid", "another key has this kid", "give each key its own")


def _caller(caller: CallerSettings, findings: Findings) -> CallerSettings:
    at = f"callers.{caller.name}"
    given = [source for source in _SOURCES if getattr(caller, source) is not None]
    if len(given) != 1:
        wrong = f"{' and '.join(given)} can't be together" if given else "nothing says where its keys are"
        findings.refuse(at, wrong, f"write exactly one of {', '.join(_SOURCES)}")
        return caller
    source = given[0]
    if source == "api_key":
        return caller
    if sound(caller.algorithms):
        _check_pairing(at, source, caller.algorithms, findings)
    value = getattr(caller, source)
    if not sound(value) or source == "jwks_url":
        return caller
    content = value.reveal().encode() if source == "secret" else _content(value, f"{at}.{source}", findings)
    if content is None:
        return caller
    try:
        keys = _READERS[source](content)
    except ValueError as error:
        findings.refuse(f"{at}.{source}", str(error), _INSTEAD[source])
        return caller
    if sound(caller.algorithms):
        _check_fit(at, source, keys, caller.algorithms, findings)
    return caller if source == "secret" else replace(caller, key_material=content)


def _check_pairing(at: str, source: str, algorithms: Collection[str], findings: Findings) -> None:
    if source == "secret" and set(algorithms) != {"HS256"}:
        findings.refuse(f"{at}.algorithms", "only HS256 goes with a secret", 'write algorithms = ["HS256"]')
    if source != "secret" and "HS256" in algorithms:
        findings.refuse(f"{at}.algorithms", f"HS256 does not go with {source}", "write a secret, or leave HS256 out")


def _check_fit(
    at: str, source: str, keys: Sequence[VerifyingKey], algorithms: Collection[str], findings: Findings
) -> None:
    for algorithm in sorted(set(algorithms) - {"HS256"} if source != "secret" else ()):
        kids = [key.kid for key in keys if algorithm in key.algorithms]
        if not kids:
            findings.refuse(f"{at}.algorithms", f"no key of {source} fits {algorithm}", _MATCHING)
        elif source == "public_key_file" and len(kids) > 1:
            # A PEM key has no name, so nothing would choose between the two.
            findings.refuse(f"{at}.{source}", f"{len(kids)} keys fit {algorithm}", "use a jwks_file with kids")
        elif len(set(kids)) < len(kids):
            findings.refuse(f"{at}.{source}", f"two keys for {algorithm} have the same kid", "give each its own")


def _content(path: Path, at: str, findings: Findings) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError as error:
        findings.refuse(at, f'the file "{path}" can\'t be read ({error.strerror})', "name a readable file")
        return None


def _public_keys(pem: bytes) -> Sequence[VerifyingKey]:
    return [public_key(key) for key in load_public_keys(pem)]


def _key_set(document: bytes) -> Sequence[VerifyingKey]:
    # The verifier passes over what it can't use; who wrote the file should know of it.
    check_key_set(document)
    return read_key_set(document)


def _secret(content: bytes) -> Sequence[VerifyingKey]:
    return [secret_key(content)]


_READERS = {"jwks_file": _key_set, "public_key_file": _public_keys, "secret": _secret}
_INSTEAD = {
    "jwks_file": "write the set of the caller's public keys (RFC 7517) there",
    "public_key_file": "put the caller's public key there (PEM, BEGIN PUBLIC KEY)",
    "secret": "use a random secret of 32 bytes or more",
}
