"""Callers' tokens: changes to the example of caller-token.md, of claims and of header fields.

None takes away; a number is so many seconds from now.
"""

from typing import Any

HOUR = 3600
DAY = 24 * HOUR

TAKEN: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"aud": ["other", "talaria-proxy"]}, {}),
    ({"iat": None}, {}),
    ({"exp": -20, "iat": -60}, {}),
    ({"iat": 20}, {}),
    ({"nbf": 20}, {}),
    ({"exp": DAY}, {}),
    ({"anything": {"else": 1}}, {}),
    ({}, {"typ": "application/at+jwt"}),
    ({}, {"kid": None}),
    ({}, {"jku": "https://elsewhere.example"}),
]
REFUSED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("iss", {"iss": "https://other.example"}, {}),
    ("aud", {"aud": "other"}, {}),
    ("exp", {"exp": None}, {}),
    ("iat", {"iat": 2 * HOUR, "exp": 3 * HOUR}, {}),
    ("iat", {"iat": HOUR, "exp": HOUR}, {}),
    ("nbf", {"nbf": HOUR}, {}),
    ("exp", {"exp": DAY + HOUR}, {}),
    ("personal_phone_id", {"personal_phone_id": None}, {}),
    ("personal_phone_id", {"personal_phone_id": "with space"}, {}),
    ("kid", {}, {"kid": "other"}),
    ("typ", {}, {"typ": "JWE"}),
    ("crit", {}, {"crit": ["x"]}),
]
