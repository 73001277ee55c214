"""Whatever a page links to is there, the site has every page, and each column of a table has a name."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from talaria.adapters.auth import jwt_verifier
from tests.support_rows import each_row

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
TABLE = re.compile(r"^\|(.*)\|\n\|(?: ?:?-+:? ?\|)+$", re.MULTILINE)
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return FENCE.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    """What a headline is called in a link, by the rule of both GitHub and the site."""
    headlines = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", headline.lower()).replace(" ", "-") for headline in headlines}


def broken(page: Path) -> Iterator[str]:
    """The links to files or headlines that are not there."""
    for link in LINK.findall(prose(page)):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


def test_each_cause_of_a_refused_token_has_a_row() -> None:
    """docs/contracts/caller-token.md is where `talaria explain` sends its reader."""
    source = "\n".join(path.read_text() for path in (ROOT / "src/talaria").rglob("*.py"))
    causes = {*re.findall(r'(?:Invalid|Expired)Token\("([^"]+)"\)', source), "exp", "iat", "nbf"}
    causes |= {word for _, word in jwt_verifier._CAUSES}
    table = prose(DOCS / "contracts/caller-token.md").partition("| `cause` |")[2].partition("\n\n")[0]
    listed = [word for row in table.splitlines()[2:] for word in re.findall(r"`([^`]+)`", row.split("|")[1])]
    assert sorted(listed) == sorted(causes)
    assert len(causes) > 20


@each_row("page", PAGES)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    assert list(broken(page)) == []


@each_row("page", sorted(DOCS.rglob("*.md")))
def test_each_column_of_a_table_has_a_name(page: Path) -> None:
    """A reader that can't see hears it before each cell."""
    assert [head for head in TABLE.findall(prose(page)) if not all(name.strip() for name in head.split("|"))] == []


def leaves(nav: Any) -> Iterator[str]:
    """The pages of a part of the site's navigation."""
    if isinstance(nav, str):
        yield nav
    else:
        for part in nav.values() if isinstance(nav, dict) else nav:
            yield from leaves(part)


def test_the_site_has_every_page_once() -> None:
    project = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]
    assert sorted(leaves(project["nav"])) == sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# The other page\n")
    page = tmp_path / "page.md"
    page.write_text("[a](there.md) [b](there.md#the-other-page) [c](gone.md) [d](there.md#gone) [e](#gone)\n")
    assert list(broken(page)) == ["gone.md", "there.md#gone", "#gone"]
