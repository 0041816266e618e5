"""The page of limits says what the code says."""

from __future__ import annotations

import re
from pathlib import Path

from qatm.runtime import limits

PAGE = Path(__file__).resolve().parents[2] / "docs/limits.md"


def test_every_limit_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| ([\d,]+) \|", text, re.MULTILINE))
    raised = [value for value in vars(limits).values() if isinstance(value, limits.Limit)]
    assert rows == {limit.variable: f"{limit.usual:,}" for limit in raised}
    fixed = re.findall(r"^\| [^`|]+(?:`bundle\.json`[^|]*)? \| ([\d,]+) \|", text, re.MULTILINE)
    names = ("JSON_BYTES", "JSON_DEPTH", "LINE_BYTES", "TRACK_NAMES", "BUNDLE_FILES")
    more = ("TEMPLATE_ROWS", "FILL_VALUES", "FOLDED_NODES", "FOLDED_BYTES", "WINDOW_SIDE")
    graphs = ("GRAPH_FIELDS", "GRAPH_NODES", "GRAPH_TEXT_BYTES")
    assert fixed == [f"{getattr(limits, name):,}" for name in (*names, *more, *graphs)]
