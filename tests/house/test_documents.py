"""The documents: links lead somewhere, and decision pages have one form and stand in the list."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DECISIONS = ROOT / "docs" / "decisions"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PAGES = sorted(DECISIONS.glob("[0-9]*.md"))
SECTIONS = ["Question", "Tried", "Decided", "Look again"]
SHORTEST, LONGEST = 15, 40
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def links(text: str) -> list[str]:
    """Where the links of a page outside of its code lead."""
    prose = re.sub(r"`[^`]*`", "", FENCE.sub("", text))
    return re.findall(r"\]\(([^)\s]+)\)", prose)


def headings(text: str) -> list[str]:
    """The second-level headings of a page."""
    return re.findall(r"^## (.+)$", text, re.MULTILINE)


def anchor(heading: str) -> str:
    """The anchor that a heading gets when the page is shown."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def broken_links(page: Path, text: str) -> list[str]:
    """The links of a page to files or headings that are not there."""
    broken = []
    for link in links(text):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        target, _, fragment = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        known = path.is_file() or (path.is_dir() and not fragment)
        if known and fragment:
            known = fragment in map(anchor, headings(path.read_text(encoding="utf-8")))
        if not known:
            broken.append(link)
    return broken


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    assert not broken_links(page, page.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("[a](README.md) and [b\nc](docs/accuracy.md#is-it-there)", []),
        ("[a](docs)", []),
        ("[a](nowhere.md)", ["nowhere.md"]),
        ("[a](README.md#nowhere)", ["README.md#nowhere"]),
        ("`[a](nowhere.md)`\n```text\n[b](nowhere.md)\n```\n", []),
    ],
)
def test_the_link_check_sees(text, broken):
    assert broken_links(ROOT / "README.md", text) == broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_decision_has_its_form(page):
    text = page.read_text(encoding="utf-8")
    assert re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", page.name)
    assert text.startswith(f"# {int(page.name[:4])}. ")
    assert headings(text) == SECTIONS
    assert SHORTEST <= len(text.splitlines()) <= LONGEST


def test_decisions_are_numbered_and_listed():
    assert [int(page.name[:4]) for page in PAGES] == list(range(1, len(PAGES) + 1))
    listing = (DECISIONS / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(\d+)\]\((\S+)\) \|", listing, re.MULTILINE)
    assert rows == [(str(int(page.name[:4])), page.name) for page in PAGES]
