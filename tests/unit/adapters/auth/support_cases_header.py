"""Cases of the header: algorithm, type, fields that are refused, key ids."""

from tests.unit.adapters.auth.support_tokens import GONE, MANY, Case, jwk

NONE, ALG, TYP = "RFC 8725 section 2.1 (alg none)", "RFC 8725 section 3.1", "RFC 8725 section 3.11"
MEDIA = "RFC 9068 section 4, RFC 7515 section 4.1.9 (spring-security#13185)"
CRIT, B64, ZIP = "RFC 7515 section 4.1.11", "RFC 7797 section 3", "RFC 7516 section 4.1.3, RFC 8725 section 3.6"
OWN_KEY, FETCH = "CVE-2018-0114 (embedded jwk)", "RFC 8725 section 3.10 (jku and x5u)"
IGNORED = "RFC 7515 section 4.1 (cloud-security-xsuaa-integration#97: a good token of a known key)"
"""Issuers send these along with good tokens. What they hold is never looked at: it is neither trusted nor a fault."""
KID, INJECTION = "RFC 7515 section 4.1.4", "RFC 8725 section 3.10 (kid injection)"

ALGORITHMS = (
    *(Case(f"alg {name!r}", NONE, "algorithm", {"alg": name}) for name in ("none", "None", "NONE", "nOnE", "none ")),
    *(Case(f"alg {name!r}", ALG, "algorithm", {"alg": name}) for name in ("", "es256", "ES256 ", " ES256", "ES256\0")),
    *(
        Case(f"alg {name!r}, which no caller has", ALG, "algorithm", {"alg": name})
        for name in (
            "ES512",
            "ES256K",
            "ES521",
            "RS384",
            "RS512",
            "PS512",
            "HS384",
            "HS512",
            "RSA-OAEP",
            "dir",
            "A256KW",
        )
    ),
    *(
        Case(f"alg {name!r}, which this caller has not", ALG, "algorithm", {"alg": name})
        for name in ("ES384", "RS256", "PS256", "EdDSA", "HS256")
    ),
    Case("no alg", "RFC 7515 section 4.1.1", "algorithm", {"alg": GONE}),
    *(
        Case(f"alg {value!r}", "RFC 7515 section 4.1.1", "algorithm", {"alg": value})
        for value in (None, 256, True, ["ES256"], {"ES256": 1})
    ),
    Case("alg none without a kid", NONE, "algorithm", {"alg": "none", "kid": GONE}),
    Case("ALG in capitals alone", ALG, "algorithm", {"alg": GONE, "ALG": "ES256"}),
)

TYPES = (
    *(
        Case(f"typ {name!r}", TYP, "good", {"typ": name})
        for name in ("JWT", "jwt", "Jwt", "at+jwt", "AT+JWT", "at+JWT")
    ),
    *(
        Case(f"typ {name!r}", MEDIA, "good", {"typ": name})
        for name in ("application/jwt", "application/JWT", "application/at+jwt", "Application/AT+JWT")
    ),
    Case("no typ", TYP, "good", {"typ": GONE}),
    *(
        Case(f"typ {name!r}", TYP, "typ", {"typ": name})
        for name in (
            "",
            "JWE",
            "JOSE",
            "JOSE+JSON",
            "application/",
            "application/at+jwt ",
            "application/jwt;v=1",
            "application/application/jwt",
            "text/jwt",
            "/jwt",
            "id_token",
            "JWT ",
            "at+jwt\0",
            "jwt;v=1",
            "\uff4awt",
        )
    ),
    *(
        Case(f"typ {name!r}, another kind of token", TYP, "typ", {"typ": name})
        for name in ("logout+jwt", "secevent+jwt", "dpop+jwt", "kb+jwt", "token-introspection+jwt")
    ),
    *(
        Case(f"typ {name!r}, another kind of token", TYP, "typ", {"typ": name})
        for name in ("application/logout+jwt", "application/secevent+jwt", "application/dpop+jwt", "application/jose")
    ),
    *(Case(f"typ {value!r}", TYP, "typ", {"typ": value}) for value in (None, 1, True, ["JWT"], {"JWT": 1})),
)

REFUSED_OR_IGNORED = (
    *(
        Case(f"crit {value!r}", CRIT, "header field", {"crit": value})
        for value in ([], ["exp"], ["alg"], ["http://example.com/x"], "exp", None)
    ),
    Case("crit and b64", B64, "header field", {"crit": ["b64"], "b64": False}),
    Case("crit and b64 true", B64, "header field", {"crit": ["b64"], "b64": True}),
    Case("b64 false alone", B64, "header field", {"b64": False}),
    Case("b64 true alone", B64, "header field", {"b64": True}),
    Case("zip", ZIP, "header field", {"zip": "DEF"}),
    Case("zip null", ZIP, "header field", {"zip": None}),
    *(
        Case(f"{name} {value!r}, signed by a stranger", OWN_KEY, "signature", {name: value}, key="stranger")
        for name, value in (("jwk", jwk("stranger")), ("jku", "https://stranger.example/keys"), ("x5c", ["MIIB"]))
    ),
    Case("jwk in place of a kid", OWN_KEY, "kid unknown", {"jwk": jwk("stranger"), "kid": GONE}, key="stranger"),
    Case("jku to the inside", "RFC 8725 section 3.10 (SSRF)", "good", {"jku": "http://169.254.169.254/"}),
    Case("jku in place of a kid", FETCH, "kid unknown", {"jku": "https://app.example/keys", "kid": GONE}),
    *(
        Case(f"{name} {value!r}", IGNORED, "good", {name: value})
        for name, value in (
            ("jwk", jwk("ec-1")), ("jwk", jwk("stranger")), ("jwk", None), ("jwk", "x"),
            ("jku", "https://app.example/.well-known/jwks.json"), ("jku", "https://stranger.example/keys"), ("jku", 1),
            ("x5u", "https://stranger.example/cert"), ("x5u", None), ("x5c", ["MIIB"]), ("x5c", []), ("x5c", {"a": 1}),
        )
    ),
    Case("all four", IGNORED, "good", {"jwk": jwk("rsa"), "jku": "x", "x5u": "x", "x5c": ["x"], "x5t#S256": "AAAA"}),
    Case("jku and crit", CRIT, "header field", {"jku": "https://app.example/keys", "crit": ["jku"]}),
    Case("a thumbprint, which is not followed", "RFC 7515 section 4.1.7", "good", {"x5t": "AAAA"}),
    Case("a field without a meaning here", "RFC 7515 section 4", "good", {"vendor": {"a": 1}}),
)  # fmt: skip

KIDS = (
    *(Case(f"kid {value!r}", KID, "kid", {"kid": value}) for value in (None, 1, True, 1.5, ["ec-1"], {"ec-1": 1})),
    *(
        Case(f"kid {value!r}", INJECTION, "kid unknown", {"kid": value})
        for value in (
            "", "ec-9", "EC-1", " ec-1", "ec-1 ", "ec-1\0", "ec-1\n", "*", "0", "ec-1,ec-2", "../../../dev/null",
            "/proc/sys/kernel/randomize_va_space", "' OR '1'='1", "x' UNION SELECT 'AAAA", "|id", "$(id)",
            "http://stranger.example/keys", "file:///etc/passwd", "\ud800", "x" * 2000,
        )
    ),
    Case("no kid, and two keys fit", KID, "kid unknown", {"kid": GONE}),
    Case("no kid, and one key fits", KID, "good", {"kid": GONE}, {"iss": MANY}, key="ec-many"),
    Case("the kid of another key of the caller", KID, "signature", {"kid": "ec-2"}),
    Case("the kid of an RSA key", ALG, "kid unknown", {"kid": "rsa"}),
    Case("the kid of a P-384 key", ALG, "kid unknown", {"kid": "p384"}),
    Case("the second key", KID, "good", {"kid": "ec-2"}, key="ec-2"),
)  # fmt: skip

CASES = ALGORITHMS + TYPES + REFUSED_OR_IGNORED + KIDS
