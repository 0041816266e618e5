"""The blocks of code of the site's pages."""

from __future__ import annotations

import re
from typing import NamedTuple

from source_tree import ROOT

DOCS = ROOT / "docs"
FENCE = re.compile(r"^( *)```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^\1```", re.DOTALL | re.MULTILINE)


class Block(NamedTuple):
    """A block of code: its language, which machine it is for ("" for any), and what it says."""

    language: str
    machine: str
    code: str


def blocks(text: str) -> list[Block]:
    """The blocks of a page, in their order."""
    return [
        Block(language, machine or "", re.sub(rf"^{indent}", "", code, flags=re.MULTILINE))
        for indent, language, machine, code in FENCE.findall(text)
    ]
