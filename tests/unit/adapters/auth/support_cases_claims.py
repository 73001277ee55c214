"""Cases of the claims: issuer, audience, times, the phone id."""

import json

from tests.unit.adapters.auth.support_tokens import (
    APP,
    CLAIMS,
    GONE,
    LEEWAY,
    MANY,
    MAX_LIFETIME,
    NESTED,
    NOW,
    OWN,
    SPACED,
    Case,
)

ISS, AUD, TIME = "RFC 8725 section 3.8", "RFC 8725 section 3.9", "RFC 7519 section 2 (NumericDate)"
FRACTION = "RFC 7519 section 2: non-integer values can be represented (envoy#28201)"
INFINITE = "RFC 8259 section 6: not a number that a double can hold"
EXP, NBF, IAT = "RFC 7519 section 4.1.4", "RFC 7519 section 4.1.5", "RFC 7519 section 4.1.6"
LIFETIME, PHONE = "contract: callers.*.max_lifetime", "contract: personal, id of 1 to 128 characters"
SUBSTITUTION, PARTIAL = "RFC 8725 section 2.7 (substitution)", "CVE-2024-53861 (partial issuer)"
SMUGGLED = "RFC 9110 section 5.5 (header injection)"
STRINGS = "RFC 7519 section 4.1.2, 4.1.7"

ISSUERS = (
    Case("no iss", ISS, "issuer", claims={"iss": GONE}),
    *(
        Case(f"iss {value!r}", ISS, "issuer", claims={"iss": value})
        for value in (
            None,
            1,
            True,
            [APP],
            {APP: 1},
            "",
            "app",
            APP + "/",
            APP.upper(),
            " " + APP,
            APP + "\0",
            APP + "?",
        )
    ),
    *(Case(f"iss {value!r}", PARTIAL, "issuer", claims={"iss": value}) for value in (APP[:-1], APP[8:], APP[:8])),
    Case("another caller's iss", SUBSTITUTION, "signature", claims={"iss": MANY}),
    Case("our own iss, though a caller has it", "RFC 8725 section 3.12", "own issuer", claims={"iss": OWN}),
)

OLD = {"exp": NOW - 300, "iat": NOW - 600}

NO_AUDIENCES: tuple[object, ...] = (None, "", [], {})
AUDIENCES = (
    Case("no aud", AUD, "claim missing", claims={"aud": GONE}),
    *(Case(f"aud {value!r}", AUD, "claim missing", claims={"aud": value}) for value in NO_AUDIENCES),
    *(
        Case(f"aud {value!r}", AUD, "audience", claims={"aud": value})
        for value in (
            1, True, {"talaria-proxy": 1}, "talaria", "talaria-proxy ", "Talaria-Proxy", "xtalaria-proxyx",
            "talaria-services", "talaria-proxy,other", "*",
            ["other"], [["talaria-proxy"]], [1, "talaria-proxy"], [None, "talaria-proxy"],
        )
    ),
    Case("aud a list with ours", AUD, "good", claims={"aud": ["other", "talaria-proxy"]}),
    Case("aud a list of ours alone", AUD, "good", claims={"aud": ["talaria-proxy"]}),
)  # fmt: skip

PATH = "contract: callers.*.phone_id_claim, a dotted path reaches into objects"
NAMES = "OpenID Connect Core 5.1.2 (collision-resistant names of claims)"
NAMED = {"person.phone.id": "another person"}


def _nested(person: object) -> dict[str, object]:
    """A token of the caller with a path, without the phone id where others have it."""
    return {"iss": NESTED, "personal_phone_id": GONE, "person": person}


EXPIRY = (
    Case("no exp", EXP, "exp", claims={"exp": GONE}),
    *(
        Case(f"exp {value!r}", TIME, "exp", claims={"exp": value})
        for value in (
            None, True, False, str(NOW + 600), "", "never", [NOW + 600], {"t": 1}, 10**400, -(10**400),
        )
    ),
    *(
        Case(f"exp {text}", INFINITE, "exp", claims=json.dumps(CLAIMS).replace(str(CLAIMS["exp"]), text))
        for text in ("1e400", "-1e400", "1.8e999999")
    ),
    *(
        Case(f"exp {value!r}", FRACTION, "good", claims={"exp": value})
        for value in (NOW + 600.0, NOW + 0.5, NOW + 599.999999)
    ),
    *(
        Case(f"exp {text}", FRACTION, "good", claims=json.dumps(CLAIMS).replace(str(CLAIMS["exp"]), text))
        for text in ("1.8000006e9", "18000006E2", "0.18000006e+10", "1800000600.000")
    ),
    *(
        Case(f"exp {value!r}", LIFETIME, "lifetime", claims={"exp": value})
        for value in (1e10, 1e300, -1, -(10**18), 10**18, 253_402_300_800, 2**64, 10**300)
    ),
    Case("exp a fraction before the end of the leeway", FRACTION, "good", claims={**OLD, "exp": NOW - LEEWAY + 0.25}),
    Case("exp a fraction past the leeway", FRACTION, "expired", claims={**OLD, "exp": NOW - LEEWAY - 0.25}),
    Case("exp a second ago, within the leeway", EXP, "good", claims={"exp": NOW - 1, "iat": NOW - 600}),
    Case("exp at the last second of the leeway", EXP, "good", claims={"exp": NOW - LEEWAY + 1, "iat": NOW - 600}),
    Case("exp where the leeway ends", EXP, "expired", claims={"exp": NOW - LEEWAY, "iat": NOW - 600}),
    Case("exp a year ago", EXP, "expired", claims={"exp": NOW - 31_536_000, "iat": NOW - 31_536_600}),
    Case("exp 0", EXP, "expired", claims={"exp": 0, "iat": GONE}),
)  # fmt: skip

EXPIRED_AND_BAD = (
    Case("expired, and a bad signature", EXP, "signature", claims=OLD, key="stranger"),
    Case("expired, and another audience", EXP, "audience", claims={**OLD, "aud": "other"}),
    Case("expired, and no phone id", EXP, "phone id", claims={**OLD, "personal_phone_id": GONE}),
    Case("expired, and an unknown key", EXP, "kid unknown", {"kid": "ec-9"}, OLD),
    Case("expired, and from us", EXP, "own issuer", claims={**OLD, "iss": OWN}),
    Case("expired, and not yet begun", EXP, "nbf", claims={**OLD, "nbf": NOW + 600}),
)

OTHER_TIMES = (
    *(
        Case(f"{name} {value!r}", TIME, name, claims={name: value})
        for name in ("iat", "nbf")
        for value in (None, True, str(NOW - 60), [NOW - 60], 10**18, 10**400)
    ),
    *(
        Case(f"{name} {value!r}", FRACTION, "good", claims={name: value})
        for name in ("iat", "nbf")
        for value in (NOW - 60.0, NOW - 0.5, NOW + LEEWAY - 0.25)
    ),
    *(
        Case(f"{name} {value!r}", FRACTION, name, claims={name: value})
        for name in ("iat", "nbf")
        for value in (NOW + LEEWAY + 0.25, 1e300)
    ),
    *(Case(f"nbf {value!r}, long begun", TIME, "good", claims={"nbf": value}) for value in (-1, 0, -(10**18), -1e300)),
    *(Case(f"iat {value!r}", LIFETIME, "lifetime", claims={"iat": value}) for value in (-1, -(10**18), -1e300)),
    Case("no iat and no nbf", IAT, "good", claims={"iat": GONE}),
    Case("nbf now", NBF, "good", claims={"nbf": NOW}),
    Case("nbf where the leeway ends", NBF, "good", claims={"nbf": NOW + LEEWAY}),
    Case("nbf past the leeway", NBF, "nbf", claims={"nbf": NOW + LEEWAY + 1}),
    Case("iat where the leeway ends", IAT, "good", claims={"iat": NOW + LEEWAY}),
    Case("iat past the leeway", IAT, "iat", claims={"iat": NOW + LEEWAY + 1}),
    Case("the longest life", LIFETIME, "good", claims={"iat": NOW, "exp": NOW + MAX_LIFETIME}),
    Case("a second longer", LIFETIME, "lifetime", claims={"iat": NOW, "exp": NOW + MAX_LIFETIME + 1}),
    Case("until the year 9999", LIFETIME, "lifetime", claims={"exp": 253_402_300_799}),
    Case("begun long ago", LIFETIME, "lifetime", claims={"iat": 0}),
    Case("exp at iat", LIFETIME, "lifetime", claims={"iat": NOW, "exp": NOW}),
    Case("exp before iat", LIFETIME, "lifetime", claims={"iat": NOW, "exp": NOW - 10}),
    Case("no iat, the longest life", LIFETIME, "good", claims={"iat": GONE, "exp": NOW + MAX_LIFETIME + LEEWAY}),
    Case("no iat, a second longer", LIFETIME, "lifetime", claims={"iat": GONE, "exp": NOW + MAX_LIFETIME + LEEWAY + 1}),
)

PHONES = (
    Case("no phone id", PHONE, "phone id", claims={"personal_phone_id": GONE}),
    Case(
        "a phone id under another case",
        PHONE,
        "phone id",
        claims={"personal_phone_id": GONE, "Personal_Phone_Id": "p-1"},
    ),
    Case("a phone id in sub alone", PHONE, "phone id", claims={"personal_phone_id": GONE, "sub": "p-1"}),
    Case(
        "a phone id in the header alone", PHONE, "phone id", {"personal_phone_id": "p-1"}, {"personal_phone_id": GONE}
    ),
    Case("a phone id further in", PHONE, "phone id", claims={"personal_phone_id": {"personal_phone_id": "p-1"}}),
    *(
        Case(f"phone id {value!r}", PHONE, "phone id", claims={"personal_phone_id": value})
        for value in (
            None,
            1,
            True,
            ["p-1"],
            "",
            " ",
            "p 1",
            " p-1",
            "p-1 ",
            "p\t1",
            "p-1\0",
            "p\x7f1",
            "é",
            "📱",
            "\ud800",
            "x" * 129,
        )
    ),
    *(
        Case(f"phone id {value!r}", SMUGGLED, "phone id", claims={"personal_phone_id": value})
        for value in ("p-1\n", "p-1\r\nx-wind-user-id: 2", "p-1\u2028", "p-1\u000d")
    ),
    *(
        Case(f"phone id {value!r}", PHONE, "good", claims={"personal_phone_id": value})
        for value in ("x", "x" * 128, "0", "../p-1", 'p"1', "{p-1}", "p-1;q=2,r", "~!@#$%^&*()")
    ),
)

OTHER = (
    Case("sub a number", STRINGS, "claims", claims={"sub": 1}),
    Case("jti a number", STRINGS, "claims", claims={"jti": 1}),
    Case("claims without a meaning here", "RFC 7519 section 4.3", "good", claims={"scope": "a b", "roles": {"x": [1]}}),
    Case("no claims", ISS, "issuer", claims="{}"),
    Case("a claim's name with a NUL", ISS, "issuer", claims={"iss": GONE, "iss\0": CLAIMS["iss"]}),
)

NO_PATHS: tuple[object, ...] = (
    GONE, None, True, 1, "p-1", [], {}, ["phone"], {"phone": "p-1"}, {"phone": ["p-1"]}, {"phone": {}},
    {"phone": {"id": None}}, {"phone": {"id": 1}}, {"phone": {"id": {"id": "p-1"}}}, {"phone.id": "p-1"},
    {"phone": {"ID": "p-1"}}, [{"phone": {"id": "p-1"}}],
)  # fmt: skip
PATHS = (
    Case("a path", PATH, "good", claims=_nested({"phone": {"id": "p-1"}})),
    Case("a path among other claims", PATH, "good", claims=_nested({"name": "x", "phone": {"id": "p-1", "x": [1]}})),
    Case("a path beside a claim of its name", PATH, "good", claims={**_nested({"phone": {"id": "p-1"}}), **NAMED}),
    Case("no path, a claim of its name", PATH, "phone id", claims={**_nested(GONE), "phone.id": "p-1"}),
    *(Case(f"a path through {person!r}", PATH, "phone id", claims=_nested(person)) for person in NO_PATHS),
    Case("a name that is a url", NAMES, "good", claims={"iss": SPACED, "https://app.example/phone_id": "p-1"}),
    Case("no claim of that url", NAMES, "phone id", claims={"iss": SPACED}),
)

CASES = PATHS + ISSUERS + AUDIENCES + EXPIRY + EXPIRED_AND_BAD + OTHER_TIMES + PHONES + OTHER
