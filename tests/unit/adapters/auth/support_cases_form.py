"""Cases of form: parts, base64url, limits, JSON."""

import json

from tests.unit.adapters.auth.support_tokens import APP, CLAIMS, HEADER, Case, b64, part, unb64

COMPACT, BASE64, OBJECT = "RFC 7515 section 3.1", "RFC 7515 appendix C", "RFC 7519 section 7.2"
UNIQUE, LIMIT, UTF8 = "RFC 7515 section 4", "RFC 8725 section 2.5, JWT bomb", "RFC 8725 section 3.7"
CVE_EMPTY, CVE_BOMB = "CVE-2020-28042 (empty signature)", "CVE-2024-33664 (JWT bomb)"

GOOD_HEADER, GOOD_CLAIMS = json.dumps(HEADER), json.dumps(CLAIMS)
HEADER_BYTES = json.dumps(HEADER, separators=(",", ":")).encode()
ODD_HEADER = '{"typ":"JWT","alg":"ES256","kid":"ec-1" }'
"""40 bytes, so that its last character has bits that stand for nothing."""


def _stray(encoded: bytes) -> bytes:
    """Another spelling of the same bytes."""
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other = encoded[:-1] + alphabet[alphabet.index(encoded[-1]) ^ 1 :][:1]
    assert unb64(other) == unb64(encoded)
    return other


def _standard(encoded: bytes) -> bytes:
    return encoded.replace(b"-", b"+").replace(b"_", b"/")


def _with(text: str, more: str) -> str:
    """A JSON object's text with more members."""
    return text[:-1] + "," + more + "}"


def _filled(length: int) -> bytes:
    """Claims that make a token of the good header exactly `length` bytes long: the signature has 86."""
    encoded = length - len(b64(HEADER_BYTES)) - 88
    assert encoded % 4 != 1, "no text encodes to such a length"
    text = _with(GOOD_CLAIMS, '"x":""')
    return (text[:-2] + "x" * (encoded * 3 // 4 - len(text)) + '"}').encode()


def _deep(levels: int) -> dict[str, object]:
    value: object = 1
    for _ in range(levels - 1):
        value = [value]
    return {"x": value}


PARTS = (
    Case("the good token itself", COMPACT, "good"),
    Case("nothing", COMPACT, "parts", twist=lambda _: b""),
    Case("one dot", COMPACT, "parts", twist=lambda _: b"."),
    Case("two dots", COMPACT, "parts", twist=lambda _: b".."),
    Case("one part", COMPACT, "parts", twist=lambda t: t.split(b".")[0]),
    Case("two parts", COMPACT, "parts", twist=lambda t: t.rpartition(b".")[0]),
    Case("an empty header", COMPACT, "parts", twist=part(0, lambda _: b"")),
    Case("an empty payload", "RFC 7515 appendix F (detached)", "parts", twist=part(1, lambda _: b"")),
    Case("an empty signature", CVE_EMPTY, "parts", twist=part(2, lambda _: b"")),
    Case("a fourth part", COMPACT, "parts", twist=lambda t: t + b".AAAA"),
    Case("a fourth, empty part", COMPACT, "parts", twist=lambda t: t + b"."),
    Case("five parts, as a JWE", "RFC 7516 section 3.1", "parts", twist=lambda t: t + b".AAAA.AAAA"),
    Case("a dot in front", COMPACT, "parts", twist=lambda t: b"." + t),
    Case("JSON serialization", "RFC 7515 section 7.2", "parts", twist=lambda _: b'{"payload":"e30"}'),
    Case("only dots", LIMIT, "parts", twist=lambda _: b"." * 8000),
)

BASE = (
    Case("padding after the signature", BASE64, "base64url", twist=lambda t: t + b"=="),
    Case("padding after the header", BASE64, "base64url", ODD_HEADER, twist=part(0, lambda p: p + b"==")),
    Case("one = too few", BASE64, "base64url", twist=lambda t: t + b"="),
    Case("the standard alphabet", BASE64, "base64url", claims={"x": "?" * 9}, twist=part(1, _standard)),
    Case("stray bits in the signature", BASE64, "base64url", twist=part(2, _stray)),
    Case("stray bits in the header", BASE64, "base64url", ODD_HEADER, twist=part(0, _stray)),
    Case("a length that nothing has", BASE64, "base64url", twist=part(0, lambda p: p + b"A" * ((5 - len(p)) % 4))),
    Case("a space in front", COMPACT, "base64url", twist=lambda t: b" " + t),
    Case("a space at the end", COMPACT, "base64url", twist=lambda t: t + b" "),
    Case("a line feed at the end", COMPACT, "base64url", twist=lambda t: t + b"\n"),
    Case("a line feed inside", COMPACT, "base64url", twist=part(1, lambda p: p[:8] + b"\n" + p[8:])),
    Case("a NUL inside", COMPACT, "base64url", twist=part(1, lambda p: p[:8] + b"\0" + p[8:])),
    Case("a NUL at the end", COMPACT, "base64url", twist=lambda t: t + b"\0"),
    Case("a comma joined list", COMPACT, "base64url", twist=lambda t: t + b",x"),
    Case("quotes round it", COMPACT, "base64url", twist=lambda t: b'"' + t + b'"'),
    Case("a scheme inside", "RFC 6750 section 2.1", "base64url", twist=lambda t: b"Bearer " + t),
    Case("percent encoding", COMPACT, "base64url", twist=part(2, lambda p: p + b"%3D")),
    Case("a byte order mark", COMPACT, "base64url", twist=lambda t: b"\xef\xbb\xbf" + t),
    Case("bytes past ASCII", COMPACT, "base64url", twist=part(2, lambda p: p[:-2] + b"\xc3\xa9")),
    Case("a full width letter", COMPACT, "base64url", twist=part(0, lambda p: p[:-3] + "\uff21".encode())),
)

LIMITS = (
    Case("8192 bytes", LIMIT, "good", claims=_filled(8192)),
    Case("8193 bytes", LIMIT, "too long", claims=_filled(8193)),
    Case("8 MB", CVE_BOMB, "too long", twist=lambda t: t * 16_000),
    Case("a header of 4096 characters", LIMIT, "good", {"x": "x" * (3072 - len(HEADER_BYTES) - 7)}),
    Case("a header of 4098 characters", LIMIT, "header too long", {"x": "x" * (3072 - len(HEADER_BYTES) - 6)}),
    Case("claims 8 deep", LIMIT, "good", claims=_deep(8)),
    Case("claims 9 deep", LIMIT, "depth", claims=_deep(9)),
    Case("a header 9 deep", LIMIT, "depth", _deep(9)),
    Case("objects 9 deep", LIMIT, "depth", claims=_with(GOOD_CLAIMS, '"x":' + '{"a":' * 8 + "1" + "}" * 8)),
    Case("5000 brackets", LIMIT, "depth", claims="[" * 5000),
    Case("5000 brackets after a string", LIMIT, "depth", claims='{"\\"":' + "[" * 5000),
    Case("brackets in a string", LIMIT, "good", claims={"x": "[{" * 50 + '\\"' + "[" * 50}),
    Case("many brackets, not deep", LIMIT, "good", claims={"x": [[] for _ in range(50)]}),
    Case("5000 quotes and backslashes", LIMIT, "json", claims='{"' + '\\"' * 2500 + "[" * 20),
    Case("a number of 5000 digits", LIMIT, "json", claims=_with(GOOD_CLAIMS, '"x":' + "9" * 5000)),
)

JSON = (
    Case("a header that is no JSON", OBJECT, "json", "header"),
    Case("a header that is a list", OBJECT, "json", "[]"),
    Case("a header that is a string", OBJECT, "json", '"ES256"'),
    Case("a header that is null", OBJECT, "json", "null"),
    Case("claims that are no JSON", OBJECT, "json", claims="claims"),
    Case("claims that are a list", OBJECT, "json", claims=f"[{GOOD_CLAIMS}]"),
    Case("claims that are a number", OBJECT, "json", claims="1"),
    Case("claims that are null", OBJECT, "json", claims="null"),
    Case("claims in a string", "RFC 7519 section 7.2 (nested)", "json", claims=json.dumps(GOOD_CLAIMS)),
    Case("two objects", OBJECT, "json", claims=GOOD_CLAIMS + GOOD_CLAIMS),
    Case("text after the object", OBJECT, "json", claims=GOOD_CLAIMS + "x"),
    Case("a NUL after the object", OBJECT, "json", claims=GOOD_CLAIMS + "\0"),
    Case("white space round it", OBJECT, "good", claims=f" {GOOD_CLAIMS}\n"),
    Case("single quotes", OBJECT, "json", claims=GOOD_CLAIMS.replace('"', "'")),
    Case("a trailing comma", OBJECT, "json", claims=GOOD_CLAIMS[:-1] + ",}"),
    Case("a comment", OBJECT, "json", claims="/**/" + GOOD_CLAIMS),
    Case("NaN", "RFC 8259 section 6", "json", claims=_with(GOOD_CLAIMS, '"x":NaN')),
    Case("Infinity", "RFC 8259 section 6", "json", claims=_with(GOOD_CLAIMS, '"x":-Infinity')),
    Case("a leading zero", "RFC 8259 section 6", "json", claims=_with(GOOD_CLAIMS, '"x":01')),
    Case("a raw line feed in a string", "RFC 8259 section 7", "json", claims=_with(GOOD_CLAIMS, '"x":"\n"')),
    Case("UTF-16 claims", UTF8, "json", claims=GOOD_CLAIMS.encode("utf-16-le")),
    Case("UTF-16 claims with a mark", UTF8, "json", claims=GOOD_CLAIMS.encode("utf-16")),
    Case("UTF-32 claims", UTF8, "json", claims=GOOD_CLAIMS.encode("utf-32-be")),
    Case("UTF-16 header", UTF8, "json", GOOD_HEADER.encode("utf-16-le")),
    Case("a byte order mark before the claims", UTF8, "json", claims="\ufeff" + GOOD_CLAIMS),
    Case("broken UTF-8", UTF8, "json", claims=_with(GOOD_CLAIMS, '"x":"').encode()[:-1] + b'\xff"}'),
    Case("overlong UTF-8", UTF8, "json", claims=_with(GOOD_CLAIMS, '"x":"').encode()[:-1] + b'\xc0\xaf"}'),
    Case("two alg, none first", UNIQUE, "json", '{"alg":"none","alg":"ES256","kid":"ec-1"}'),
    Case("two alg, none last", UNIQUE, "json", '{"alg":"ES256","alg":"none","kid":"ec-1"}'),
    Case("two alg, one escaped", UNIQUE, "json", '{"alg":"ES256","\\u0061lg":"none","kid":"ec-1"}'),
    Case("two kid", UNIQUE, "json", _with(GOOD_HEADER, '"kid":"ec-2"')),
    Case("two iss", UNIQUE, "json", claims=_with(GOOD_CLAIMS, f'"iss":"{APP}"')),
    Case("two exp", UNIQUE, "json", claims=_with(GOOD_CLAIMS, '"exp":9999999999')),
    Case("two phone ids", UNIQUE, "json", claims=_with(GOOD_CLAIMS, '"personal_phone_id":"p-2"')),
    Case("two of one name further in", UNIQUE, "json", claims=_with(GOOD_CLAIMS, '"x":[{"a":1,"a":1}]')),
    Case("two of one name in the header's depth", UNIQUE, "json", _with(GOOD_HEADER, '"x":{"a":1,"a":2}')),
)

CASES = PARTS + BASE + LIMITS + JSON
