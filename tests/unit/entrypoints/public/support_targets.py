"""Request targets, each with where it is from: those that are refused, those that go on byte for byte."""

from typing import NamedTuple


class Case(NamedTuple):
    """One target. `source`: the rule, the advisory or the talk that it stands for."""

    target: bytes
    source: str


FORM = "RFC 9112, section 3.2: an origin server gets origin-form"
FRAGMENT = "RFC 9112, section 3.2: no fragment in a target"
URI = "RFC 3986, section 2: characters of a URI"
DOTS = "RFC 3986, section 5.2.4: dot segments"
ENCODED = "RFC 3986, section 6.2.2.2: an encoded dot is a dot"
NUL = "CWE-158: a NUL ends the name for some"
CRLF = "CWE-113, CVE-2019-9740, CVE-2019-9741: line ends in a target"
BACKSLASH = "URL Standard: a backslash is a slash for browsers"
PARAMETER = "CVE-2020-5902: path parameters hide a dot segment"
TWICE = "CVE-2001-0333, CVE-2021-42013: decoded twice"
ONCE = "CVE-2021-41773: half encoded dots"
OVERLONG = "RFC 3629, section 3; CVE-2000-0884, CVE-2008-2938: overlong UTF-8"
PERCENT_U = "CAPEC-71: %u encoding"
SPACE = "CVE-2013-4547: an unescaped space"

REFUSED = [
    Case(b"", FORM),
    Case(b"*", FORM),
    Case(b"http://api.example/rides", FORM),
    Case(b"https://api.example/", FORM),
    Case(b"HTTP://api.example", FORM),
    Case(b"api.example:443", FORM),
    Case(b"rides", FORM),
    Case(b"?a=1", FORM),
    Case(b"./rides", FORM),
    Case(b"%2frides", FORM),
    Case(b";/rides", FORM),
    Case(b"@internal/rides", FORM),
    Case(b":80/rides", FORM),
    Case(b"file:///etc/passwd", FORM),
    Case(b"/rides#top", FRAGMENT),
    Case(b"/rides?a=1#top", FRAGMENT),
    Case(b"/#", FRAGMENT),
    Case(b"#/rides", FRAGMENT),
    Case(b"/a b", SPACE),
    Case(b"/a ", SPACE),
    Case(b"/?a b", SPACE),
    Case(b"/a\tb", URI),
    Case(b"/\xc3\xa9", URI),
    Case(b"/?\xff", URI),
    Case(b"/\x7f", URI),
    Case(b"/a\x01b", URI),
    Case(b"/?\x1b[2J", URI),
    Case(b"/a\x00b", NUL),
    Case(b"/?a=\x00", NUL),
    Case(b"/a%00", NUL),
    Case(b"/a%00.json", NUL),
    Case(b"/..%00/", NUL),
    Case(b"/%2500", NUL),
    Case(b"/a\rb", CRLF),
    Case(b"/a\nb", CRLF),
    Case(b"/a\r\nx-api-tag: other", CRLF),
    Case(b"/a%0d%0ax-api-tag:%20other", CRLF),
    Case(b"/a%0A", CRLF),
    Case(b"/%250a", CRLF),
    Case(b"/%7f", CRLF),
    Case(b"/%09", CRLF),
    Case(b"/a\\b", BACKSLASH),
    Case(b"\\a", BACKSLASH),
    Case(b"/\\evil.example", BACKSLASH),
    Case(b"/?a=\\", BACKSLASH),
    Case(b"/..\\a", BACKSLASH),
    Case(b"/a%5c..%5cb", BACKSLASH),
    Case(b"/a/..%5Cb", BACKSLASH),
    Case(b"/..", DOTS),
    Case(b"/.", DOTS),
    Case(b"/../a", DOTS),
    Case(b"/./a", DOTS),
    Case(b"/a/../b", DOTS),
    Case(b"/a/./b", DOTS),
    Case(b"/a/..", DOTS),
    Case(b"/a/.", DOTS),
    Case(b"/a/../../b?c=d", DOTS),
    Case(b"//../a", DOTS),
    Case(b"/a/..?b", DOTS),
    Case(b"/.?b", DOTS),
    Case(b"/%2e%2e/a", ENCODED),
    Case(b"/%2E%2E/a", ENCODED),
    Case(b"/%2e", ENCODED),
    Case(b"/a/%2e/b", ENCODED),
    Case(b"/a/%2e%2e", ENCODED),
    Case(b"/a%2f..%2fb", ENCODED),
    Case(b"/..%2fa", ENCODED),
    Case(b"/a/..%2F", ENCODED),
    Case(b"/.%2e/a", ONCE),
    Case(b"/%2e./a", ONCE),
    Case(b"/.%2E/a", ONCE),
    Case(b"/cgi-bin/.%2e/.%2e/bin/sh", ONCE),
    Case(b"/..;/a", PARAMETER),
    Case(b"/a/..;/b", PARAMETER),
    Case(b"/a/..;x=y/b", PARAMETER),
    Case(b"/.;/a", PARAMETER),
    Case(b"/..;", PARAMETER),
    Case(b"/%2e%2e;/a", PARAMETER),
    Case(b"/..%3b/a", PARAMETER),
    Case(b"/tmui/login.jsp/..;/tmui/", PARAMETER),
    Case(b"/%252e%252e/a", TWICE),
    Case(b"/%252E%252e%252fa", TWICE),
    Case(b"/%25252e%25252e/a", TWICE),
    Case(b"/.%252e/a", TWICE),
    Case(b"/%%32%65%%32%65/a", TWICE),
    Case(b"/.%%32%65/a", TWICE),
    Case(b"/..%255c..%255ca", TWICE),
    Case(b"/..%252f", TWICE),
    Case(b"/%2%65%2%65/", TWICE),
    Case(b"/a%" + b"25" * 20 + b"2e", TWICE),
    Case(b"/%c0%ae%c0%ae/a", OVERLONG),
    Case(b"/%C0%AE%C0%AE/a", OVERLONG),
    Case(b"/.%c0%ae/a", OVERLONG),
    Case(b"/%e0%80%ae%e0%80%ae/a", OVERLONG),
    Case(b"/%25c0%25ae%25c0%25ae/a", OVERLONG),
    Case(b"/%u002e%u002e/a", PERCENT_U),
    Case(b"/.%u002E/a", PERCENT_U),
    Case(b"/%25u002e%25u002e/a", PERCENT_U),
]

PASSED = [
    Case(b"/", FORM),
    Case(b"/rides", FORM),
    Case(b"/rides/", FORM),
    Case(b"//rides", "RFC 3986, section 3.3: an empty segment in origin-form is no authority"),
    Case(b"/a//b///", URI),
    Case(b"/?", URI),
    Case(b"/rides?", URI),
    Case(b"/rides?a=1&b=2;c", URI),
    Case(b"/?a=?&b=/", URI),
    Case(b"/?url=http://a.example/../b", DOTS),
    Case(b"/?path=../../etc/passwd", DOTS),
    Case(b"/?a=%2e%2e%2f%00%0d%0a%5c", ENCODED),
    Case(b"/?a=%252e", TWICE),
    Case(b"/?a=%c0%ae", OVERLONG),
    Case(b"/http://a.example/", FORM),
    Case(b"/@me", URI),
    Case(b"/a:b", URI),
    Case(b"/~me/a-b_c.d!$&'()*+,;=:@", URI),
    Case(b'/"<>^`{|}', "accepted: the upstream reads them alike, and some clients do not encode them"),
    Case(b"/.well-known/jwks.json", "RFC 8615"),
    Case(b"/.a", DOTS),
    Case(b"/a.", DOTS),
    Case(b"/a..", DOTS),
    Case(b"/..a", DOTS),
    Case(b"/...", DOTS),
    Case(b"/.../a", DOTS),
    Case(b"/a..b/c", DOTS),
    Case(b"/a;..", PARAMETER),
    Case(b"/a;b=../c", PARAMETER),
    Case(b"/a;v=1/b", PARAMETER),
    Case(b"/a%20b", ENCODED),
    Case(b"/%41%2Fb", ENCODED),
    Case(b"/a%2eb", ENCODED),
    Case(b"/%2ewell-known", ENCODED),
    Case(b"/%2e%2e%2e", ENCODED),
    Case(b"/%C3%A9", URI),
    Case(b"/%F0%9F%9B%B4", URI),
    Case(b"/%23", FRAGMENT),
    Case(b"/a%3fb", URI),
    Case(b"/100%25", ENCODED),
    Case(b"/%2525", TWICE),
    Case(b"/100%", "accepted: not a URI, but every server reads it as it stands"),
    Case(b"/%zz", "accepted likewise"),
    Case(b"/" + b"a" * 30_000, URI),
]

ODDLY_ENCODED = [
    Case(b"/..%c0%afa", OVERLONG),
    Case(b"/..%C0%AF..%C0%AFetc", OVERLONG),
    Case(b"/..%e0%80%afa", OVERLONG),
    Case(b"/..%c1%9ca", OVERLONG),
    Case(b"/%f0%80%80%ae%f0%80%80%ae/a", OVERLONG),
    Case(b"/..%u002fa", PERCENT_U),
    Case(b"/..%u2215a", PERCENT_U),
]
"""Known gaps: a slash, not a dot, is what these encode oddly. Their test fails as soon as they are closed."""

HALF_ENCODED = [
    Case(b"/100%2", "accepted like /100%: what stands behind the percent sign is no two digits"),
    Case(b"/a%a", "likewise"),
]
"""Known excess: refused for a control character that is not there."""
