"""A version is the same wherever it is written, and the release list names what there is."""

from __future__ import annotations

import re

from source_tree import ROOT

from qatm import runtime


def written(name: str, pattern: str) -> str:
    """The first thing in a file that fits a pattern's group."""
    found = re.search(pattern, (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
    assert found, f"{name} has no {pattern}"
    return found[1]


def test_the_version_is_written_alike():
    assert written("CITATION.cff", r"^version: (\S+)$") == runtime.__version__
    assert written("CHANGELOG.md", r"^## (\d\S*) - ") == runtime.__version__


def test_the_date_is_written_alike():
    released = written("CITATION.cff", r"^date-released: (\S+)$")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", released)
    assert written("CHANGELOG.md", r"^## \d\S* - (\S+)$") == released


def test_the_citation_names_the_licence_of_the_package():
    licence = written("pyproject.toml", r'^license = "(.+)"$')
    assert written("CITATION.cff", r"^license: (\S+)$") == licence


def test_the_newest_section_is_unreleased_or_this_version():
    newest = written("CHANGELOG.md", r"^## (\S+)")
    assert newest in ("Unreleased", runtime.__version__)
