"""On which line of the file a key stands."""

import tomllib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from talaria.entrypoints.config.lines import line_of, lines_of
from tests.unit.entrypoints.config.conftest import Bench
from tests.unit.entrypoints.config.support_config import ENVIRON

TEXT = """\
# a comment = 1
[server]
listen = "[::1]:1"
tls.cert_file = "a"

[ upstreams . "talaria-services" ]  # a comment
urls = [
  "http://a",
  "http://b",
]
[[signing.keys]]
kid = "a"
[[signing.keys]]
kid = "b"
"""


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("server", 2),
        ("server.listen", 3),
        ("server.tls.cert_file", 4),
        ("server.tls", 2),
        ("server.workers", 2),
        ("upstreams.talaria-services", 6),
        ("upstreams.talaria-services.urls[1]", 7),
        ("upstreams.talaria-services.audience", 6),
        ("signing.keys[0].kid", 12),
        ("signing.keys[0].file", 11),
        ("signing.keys[1].kid", 14),
        ("signing.keys[1].file", 13),
        ("signing.keys", 11),
        ("personal.url", 0),
        ("", 0),
    ],
)
def test_a_key_stands_on_a_line_or_in_a_table(key: str, line: int) -> None:
    assert line_of(key, lines_of(TEXT)) == line


NAMES = st.sampled_from(["a", "b-c", '"d.e"', "'f'", "0"])
TABLES = st.dictionaries(NAMES, st.lists(NAMES, unique=True, min_size=1), min_size=1)


@given(TABLES)
def test_every_key_of_a_file_has_its_line(tables: dict[str, list[str]]) -> None:
    written = [
        f"[{table}]\n" + "".join(f"{key} = {at}\n" for at, key in enumerate(keys)) for table, keys in tables.items()
    ]
    text = "".join(written)
    lines = lines_of(text)
    for table, keys in tomllib.loads(text).items():
        for key, position in keys.items():
            assert line_of(f"{table}.{key}", lines) == lines[table] + position + 1


@example('"\\x" = 1')
@example("é = 1")
@example('[a."\0"]')
@given(st.text(max_size=60) | st.text(alphabet="[]=.\"' a\n\t\\", max_size=60))
def test_whatever_is_written_lines_are_found_or_not(text: str) -> None:
    assert all(1 <= line <= text.count("\n") + 1 for line in lines_of(text).values())


def test_problems_and_warnings_have_their_lines(bench: Bench) -> None:
    problems = bench.problems({"routes.wind.partner": "wnid", "partners.wind.url": None})
    lines = bench.file.read_text().split("\n")
    assert lines[problems["routes.wind.partner"].line - 1] == 'partner = "wnid"'
    assert lines[problems["partners.wind.url"].line - 1] == "[partners.wind]"
    (warning,) = bench.load({"partners.wind.url": "http://api.wind.example"}).warnings
    assert bench.file.read_text().split("\n")[warning.line - 1] == 'url = "http://api.wind.example"'


def test_what_a_variable_sets_has_no_line(bench: Bench) -> None:
    problems = bench.problems({"server.listen": "127.0.0.1:1"}, {**ENVIRON, "TALARIA__SERVER__LISTEN": "x"})
    assert problems["server.listen"].line == 0
