"""Cases of keys and signatures: confusion, substitution, malformed and malleable signatures."""

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tests.unit.adapters.auth.support_tokens import (
    BOUND,
    GONE,
    HMAC,
    MANY,
    NAMELESS,
    PEM,
    TWICE,
    Case,
    Twist,
    b64,
    good_token,
    part,
    unb64,
)

CONFUSION, SUBSTITUTION = "CVE-2015-9235, CVE-2016-10555 (key confusion)", "RFC 8725 section 2.7"
PSYCHIC, PEM_SECRET = "CVE-2022-21449 (psychic signature)", "CVE-2017-11424, CVE-2022-29217 (PEM as a secret)"
SIGNATURE, JWA, JWK = "RFC 7515 section 5.2", "RFC 7518 section 3", "RFC 7517 section 4"
NO_KID, SAME = "RFC 7517 section 4.5 (smallrye-jwt#140)", "RFC 7517 section 4.5 (panva/jose#392)"
WEAK, MIXED = "RFC 8725 section 3.5", "RFC 8725 section 3.1"
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493


def _raw(change: Twist) -> Twist:
    """A twist of the signature's bytes."""
    return part(2, lambda encoded: b64(change(unb64(encoded))))


def _der(signature: bytes) -> bytes:
    return encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))


def _ed_plus_order(signature: bytes) -> bytes:
    return signature[:32] + (int.from_bytes(signature[32:], "little") + ED25519_ORDER).to_bytes(32, "little")


def _graft(token: bytes) -> bytes:
    """The signature of another good token."""
    return token.rpartition(b".")[0] + b"." + good_token(personal_phone_id="p-2").rpartition(b".")[2]


def _caller(issuer: str, **claims: object) -> dict[str, object]:
    return {"iss": issuer, **claims}


def _header(alg: str, kid: object = GONE) -> dict[str, object]:
    return {"alg": alg, "kid": kid}


FORGED = (
    Case("a stranger's key", SIGNATURE, "signature", key="stranger"),
    Case("the signature of another token", SUBSTITUTION, "signature", twist=_graft),
    Case(
        "other claims",
        SIGNATURE,
        "signature",
        twist=part(1, lambda _: good_token(personal_phone_id="p-2").split(b".")[1]),
    ),
    Case("another header", SIGNATURE, "signature", twist=part(0, lambda _: b64(b'{"alg":"ES256","kid":"ec-1"}'))),
    Case("r and s are 0", PSYCHIC, "signature", twist=_raw(lambda _: bytes(64))),
    Case("r is 0", PSYCHIC, "signature", twist=_raw(lambda s: bytes(32) + s[32:])),
    Case("s is 0", PSYCHIC, "signature", twist=_raw(lambda s: s[:32] + bytes(32))),
    Case("r and s are the order", PSYCHIC, "signature", twist=_raw(lambda _: P256_ORDER.to_bytes(32, "big") * 2)),
    Case("r and s are 1", PSYCHIC, "signature", twist=_raw(lambda _: (b"\0" * 31 + b"\1") * 2)),
    Case("all ones", PSYCHIC, "signature", twist=_raw(lambda _: b"\xff" * 64)),
    Case("r and s swapped", JWA, "signature", twist=_raw(lambda s: s[32:] + s[:32])),
    Case("DER in place of r and s", JWA, "signature", twist=_raw(_der)),
    Case("a byte too few", JWA, "signature", twist=_raw(lambda s: s[:-1])),
    Case("half a signature", JWA, "signature", twist=_raw(lambda s: s[:32])),
    Case("a byte too many", JWA, "signature", twist=_raw(lambda s: s + b"\0")),
    Case("a zero in front", JWA, "signature", twist=_raw(lambda s: b"\0" + s)),
    Case("one byte", JWA, "signature", twist=_raw(lambda _: b"\0")),
    Case("4 KB of signature", JWA, "signature", twist=_raw(lambda _: bytes(4096))),
    Case("the text of none", "RFC 8725 section 2.1", "signature", twist=part(2, lambda _: b"none")),
)

CONFUSED = (
    Case("HS256 with the RSA key's PEM", CONFUSION, "algorithm", _header("HS256"), _caller(PEM), "rsa-pem", "HS256"),
    Case("HS256 with the RSA key's DER", CONFUSION, "algorithm", _header("HS256"), _caller(PEM), "rsa-der", "HS256"),
    Case(
        "HS256 where both kinds are allowed",
        PEM_SECRET,
        "kid unknown",
        _header("HS256", "ps-only"),
        _caller(BOUND),
        "rsa-pem",
        "HS256",
    ),
    Case("HS256 without a kid there", PEM_SECRET, "kid unknown", _header("HS256"), _caller(BOUND), "rsa-pem", "HS256"),
    Case(
        "HS256 with a published secret", JWK, "kid unknown", _header("HS256", "oct"), _caller(BOUND), "secret", "HS256"
    ),
    Case("HS256 with an empty secret", CONFUSION, "signature", _header("HS256"), _caller(HMAC), "empty", "HS256"),
    Case(
        "HS256 with a public key's text", PEM_SECRET, "signature", _header("HS256"), _caller(HMAC), "rsa-pem", "HS256"
    ),
    Case("RS256 for a caller with a secret", CONFUSION, "algorithm", _header("RS256"), _caller(HMAC), "rsa", "RS256"),
    Case("ES256 for a caller with a secret", CONFUSION, "algorithm", _header("ES256"), _caller(HMAC)),
    Case(
        "RS256 with the kid of an EC key", MIXED, "kid unknown", _header("RS256", "ec-1"), _caller(MANY), "rsa", "RS256"
    ),
    Case("ES256 with the kid of an RSA key", MIXED, "kid unknown", _header("ES256", "rsa"), _caller(MANY), "ec-many"),
    Case(
        "ES256 with the kid of a P-384 key",
        JWA,
        "kid unknown",
        _header("ES256", "p384"),
        _caller(MANY),
        "p384",
        "ES384",
    ),
    Case(
        "ES384 with the kid of a P-256 key",
        JWA,
        "kid unknown",
        _header("ES384", "ec-1"),
        _caller(MANY),
        "p384",
        "ES384",
    ),
    Case(
        "EdDSA with the kid of an EC key", MIXED, "kid unknown", _header("EdDSA", "ec-1"), _caller(MANY), "ed", "EdDSA"
    ),
    Case("a PS256 signature called RS256", MIXED, "signature", _header("RS256", "rsa"), _caller(MANY), "rsa", "PS256"),
    Case("an RS256 signature called PS256", MIXED, "signature", _header("PS256", "rsa"), _caller(MANY), "rsa", "RS256"),
    Case(
        "one caller's key in another's name", SUBSTITUTION, "signature", _header("ES256", "ec-1"), _caller(MANY), "ec-1"
    ),
    Case("the same, the other way", SUBSTITUTION, "signature", _header("ES256", "ec-1"), key="ec-many"),
)

BOUND_KEYS = (
    Case("a key that its JWK binds to PS256", JWK, "good", _header("PS256", "ps-only"), _caller(BOUND), "rsa", "PS256"),
    Case("the same key with RS256", JWK, "kid unknown", _header("RS256", "ps-only"), _caller(BOUND), "rsa", "RS256"),
    Case("a key for encryption", JWK, "kid unknown", _header("ES256", "enc"), _caller(BOUND)),
    Case("a key without the operation verify", JWK, "kid unknown", _header("ES256", "ops"), _caller(BOUND)),
    Case("a key published with its private half", JWK, "kid unknown", _header("ES256", "private"), _caller(BOUND)),
    Case("an EC key that its JWK calls RS256", JWK, "kid unknown", _header("ES256", "misnamed"), _caller(BOUND)),
    Case("RSA of 1024 bits", WEAK, "kid unknown", _header("RS256", "weak"), _caller(BOUND), "rsa-weak", "RS256"),
    Case("two keys of one kid", JWK, "kid unknown", _header("ES256", "twin"), _caller(BOUND)),
)

GOOD = (
    Case("ES256", JWA, "good", _header("ES256", "ec-1"), _caller(MANY), "ec-many"),
    Case("ES384", JWA, "good", _header("ES384", "p384"), _caller(MANY), "p384", "ES384"),
    Case("RS256", JWA, "good", _header("RS256", "rsa"), _caller(MANY), "rsa", "RS256"),
    Case("PS256", JWA, "good", _header("PS256", "rsa"), _caller(MANY), "rsa", "PS256"),
    Case("EdDSA", "RFC 8037 section 3.1", "good", _header("EdDSA", "ed"), _caller(MANY), "ed", "EdDSA"),
    Case("HS256", JWA, "good", _header("HS256"), _caller(HMAC), "secret", "HS256"),
    Case("HS256 with a kid", JWA, "good", _header("HS256", "any"), _caller(HMAC), "secret", "HS256"),
    Case("a PEM key, no kid", JWA, "good", _header("RS256"), _caller(PEM), "rsa", "RS256"),
    Case("a PEM key, any kid", JWA, "good", _header("RS256", "2026-11"), _caller(PEM), "rsa", "RS256"),
    Case("no kid, one RSA key", JWA, "good", _header("RS256"), _caller(MANY), "rsa", "RS256"),
)

MALFORMED = (
    Case("a short MAC", JWA, "signature", _header("HS256"), _caller(HMAC), "secret", "HS256", _raw(lambda s: s[:16])),
    Case("a long MAC", JWA, "signature", _header("HS256"), _caller(HMAC), "secret", "HS256", _raw(lambda s: s + b"\0")),
    Case(
        "a MAC of zeros",
        JWA,
        "signature",
        _header("HS256"),
        _caller(HMAC),
        "secret",
        "HS256",
        _raw(lambda _: bytes(32)),
    ),
    Case(
        "RSA, all zeros", JWA, "signature", _header("RS256"), _caller(PEM), "rsa", "RS256", _raw(lambda _: bytes(256))
    ),
    Case(
        "RSA, the number 1",
        JWA,
        "signature",
        _header("RS256"),
        _caller(PEM),
        "rsa",
        "RS256",
        _raw(lambda _: bytes(255) + b"\1"),
    ),
    Case(
        "RSA, all ones", JWA, "signature", _header("RS256"), _caller(PEM), "rsa", "RS256", _raw(lambda _: b"\xff" * 256)
    ),
    Case(
        "RSA, a zero in front",
        JWA,
        "signature",
        _header("RS256"),
        _caller(PEM),
        "rsa",
        "RS256",
        _raw(lambda s: b"\0" + s),
    ),
    Case(
        "Ed25519, s plus the order",
        "RFC 8032 section 5.1.7",
        "signature",
        _header("EdDSA", "ed"),
        _caller(MANY),
        "ed",
        "EdDSA",
        _raw(_ed_plus_order),
    ),
    Case(
        "Ed25519, all zeros",
        "RFC 8032 section 5.1.7",
        "signature",
        _header("EdDSA", "ed"),
        _caller(MANY),
        "ed",
        "EdDSA",
        _raw(lambda _: bytes(64)),
    ),
    Case(
        "Ed25519, 57 bytes",
        "RFC 8032 section 5.1.7",
        "signature",
        _header("EdDSA", "ed"),
        _caller(MANY),
        "ed",
        "EdDSA",
        _raw(lambda s: s[:57]),
    ),
)

TWO_KEYS = "two that fit are as bad as none"
NAMELESS_KEYS = (
    *(
        Case(f"the only key has no kid, kid {kid!r}", NO_KID, "good", _header("ES256", kid), _caller(NAMELESS))
        for kid in (GONE, "ec-1", "whatever", "")
    ),
    Case(
        "the same, and another key's signature", NO_KID, "signature", _header("ES256", "x"), _caller(NAMELESS), "ec-2"
    ),
    Case("the only key has a kid", NO_KID, "kid unknown", _header("RS256", "x"), _caller(NAMELESS), "rsa", "RS256"),
    Case("one of two has no kid", TWO_KEYS, "kid unknown", _header("ES384", "x"), _caller(NAMELESS), "p384", "ES384"),
    Case("the other of them", JWK, "good", _header("ES384", "second"), _caller(NAMELESS), "p384-2", "ES384"),
)
SAME_KEYS = (
    *(
        Case(f"a key listed thrice, kid {kid!r}", SAME, "good", _header("ES256", kid), _caller(TWICE))
        for kid in ("ec-1", GONE)
    ),
    *(
        Case(f"a key under two names, {alg} by {kid!r}", SAME, "good", _header(alg, kid), _caller(TWICE), "rsa", alg)
        for alg, kid in (("PS256", "rsa"), ("PS256", "other"), ("PS256", GONE), ("RS256", "rsa"), ("RS256", GONE))
    ),
    Case("a key without a kid listed twice", SAME, "good", _header("EdDSA", "any"), _caller(TWICE), "ed", "EdDSA"),
    Case("two keys, no kid", TWO_KEYS, "kid unknown", _header("ES384"), _caller(TWICE), "p384", "ES384"),
)

CASES = FORGED + CONFUSED + BOUND_KEYS + NAMELESS_KEYS + SAME_KEYS + GOOD + MALFORMED
