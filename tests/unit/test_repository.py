"""What must hold of the whole repository: no registry's host, no machine's path, no idle waiting."""

import re
from pathlib import Path

import pytest

from tools.repository_files import ROOT, texts

REGISTRIES = [
    r"pypi\." + "org",
    "files\\.python" + "hosted",
    r"registry\." + "npmjs",
    r"registry\." + "yarnpkg",
    r"proxy\." + "golang",
    r"crates\." + r"io\b",
    r"rubygems\." + "org",
    r"docker\." + r"io\b",
    "index" + r"-url",
]
MACHINE = [
    r"/ro" + r"ot/",
    r"/home/" + r"\w",
    "/work/" + r"(main|shared|\.lib)",
    r"\.\./sha" + "red",
    r"\.lib" + "rary",
]
WAIT = re.compile(r"\bsleep\(([^()]*)\)")
PACE = 0.05
MOCK = re.compile(r"^\s*(from|import) (unittest\.mock|unittest import mock|pytest_mock)|\bmocker\b", re.MULTILINE)


def hits(pattern: str) -> list[str]:
    """Where the files say this: path and line."""
    wanted = re.compile(pattern)
    return [
        f"{path}:{number}"
        for path, text in texts()
        if wanted.search(text)  # the whole file at once is quicker
        for number, line in enumerate(text.splitlines(), 1)
        if wanted.search(line)
    ]


@pytest.mark.parametrize("pattern", REGISTRIES)
def test_no_file_names_the_host_of_a_registry(pattern: str) -> None:
    assert hits(pattern) == []


@pytest.mark.parametrize("pattern", MACHINE)
def test_no_file_names_a_path_of_one_machine(pattern: str) -> None:
    assert hits(pattern) == []


def idles(line: str) -> bool:
    """Does this line wait for over 50 ms (less is the pace of a slow peer), and give no reason behind it?"""
    wait = WAIT.search(line)
    if wait is None or "#" in line:
        return False
    try:
        return float(wait[1]) > PACE
    except ValueError:
        return wait[1] != ""


@pytest.mark.parametrize(
    ("line", "idle"),
    [
        ("await asyncio.sleep(0)", False),
        ("await asyncio.sleep(0.05)", False),
        ("await asyncio.sleep(0.06)", True),
        ("time.sleep(1)", True),
        ("sleep(pause)", True),
        ("sleep(1)  # the cache looks at whole seconds", False),
        ("def sleep():", False),
    ],
)
def test_what_idles(line: str, idle: bool) -> None:
    assert idles(line) is idle


def test_no_test_waits_without_saying_why() -> None:
    """In unit tests time jumps (`support_time`), but for a thread's."""
    waiting = [
        f"{path}:{number}: {line.strip()}"
        for path, text in texts()
        if path.suffix == ".py" and path.parts[0] == "tests" and path.name != Path(__file__).name
        if WAIT.search(text)
        for number, line in enumerate(text.splitlines(), 1)
        if idles(line) and not (path.parts[1] == "unit" and "await asyncio.sleep" in line)
    ]
    assert waiting == []


def test_the_tests_of_the_domain_do_without_mocks() -> None:
    domain = Path("tests/unit/domain")
    assert [str(path) for path, text in texts() if domain in path.parents and MOCK.search(text)] == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path)
        for path, text in texts()
        if path.suffix == ".py" and path.parts[0] == "src"
        if text.strip() and not re.match(r'(#!.*\n)?r?"""[^\s"]', text)
    ]
    assert silent == []


def test_nothing_is_left_for_later() -> None:
    assert hits(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX)\b") == []


NAMED = re.compile(r"`((?:[\w.-]+/)+[\w.*-]*)`")
HISTORY = {"CHANGELOG.md", "docs/performance.md"}


def test_documents_name_files_that_are_there() -> None:
    """A path in backticks, below the root, src/talaria or the document's own folder; `*` stands for any characters."""
    lost = [
        f"{path}: {name}"
        for path, text in texts()
        if path.suffix == ".md" and str(path) not in HISTORY
        for name in NAMED.findall(text)
        if name.split("/")[0]
        in {"src", "tests", "docs", "bench", "deploy", "tools", "domain", "adapters", "entrypoints"}
        and "bolt" not in name  # the partner that a document invents
        and not any(list(base.glob(name.rstrip("/"))) for base in (ROOT, ROOT / "src/talaria", ROOT / path.parent))
    ]
    assert lost == []


def test_make_names_its_targets_on_a_narrow_terminal() -> None:
    lines = re.findall(r'^\t@echo "(make .*)"$', (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert len(lines) > 10
    assert [line for line in lines if len(line) > 80] == []
