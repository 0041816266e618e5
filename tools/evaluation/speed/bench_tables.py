"""The tables of ``qatm bench``; every line says how large the picture and the template were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .bench_files import BenchRun
from .bench_ratios import HERE
from .bench_rows import COMPARISONS, COSTS

Record = dict[str, Any]

SIZES = ("picture", "template")
FRAMES = {
    "tracked": "in view",
    "lost": "lost",
    "lost_budget": "lost,",
    "objects": "in view",
}
"""What the frames of trackers show."""


def tables(run: BenchRun) -> list[Any]:
    """Tables of all rows, for rich."""
    compared = [row for row in run.rows if row["name"] in COMPARISONS]
    costs = [row for row in run.rows if row["name"] in COSTS]
    frames = [row for row in costs if "slow_ms" in row]
    others = [row for row in costs if "slow_ms" not in row]
    parts = ((comparison_table, compared), (cost_table, others), (frame_table, frames))
    return [draw(rows) for draw, rows in parts if rows]


def comparison_table(rows: Sequence[Record]) -> Any:
    """The comparisons, two lines each: ours and the other."""
    table = _table("Comparisons (ms, MiB)", ("ms", "faster", "peak", "growth"))
    for row in rows:
        ours, other = COMPARISONS[row["name"]].split(" | ")
        theirs = {**row, "templates": row.get("other_templates", row.get("templates"))}
        table.add_row(ours, *_sizes(row), *_side(row, "ours", f"{row['speedup']:.2f}"))
        table.add_row(f"  vs {other}", *_sizes(theirs), *_side(row, "other", ""), end_section=True)
        if "outside_percent" in row:
            share = row["outside_percent"]
            table.caption = f"{share:.1f} % of match() is spent outside ONNX Runtime"
    return table


def cost_table(rows: Sequence[Record]) -> Any:
    """What each thing costs, a line each."""
    table = _table("Costs (ms, MiB)", ("ms", "peak", "growth", "right"))
    for row in rows:
        answer = _answer(row)
        table.add_row(COSTS[row["name"]], *_sizes(row), _ms(row["ms"]), *_memory(row), answer)
    return table


def frame_table(rows: Sequence[Record]) -> Any:
    """What the frames of trackers cost, a line each."""
    columns = ("ms", "slow", "x tracked", "peak", "growth", "right")
    table = _table("Frames of Tracker and MultiTracker (ms, MiB)", columns)
    table.caption = (
        "slow: 9 in 10 frames take no longer; x tracked: over a frame with the object in view"
    )
    for row in rows:
        what = FRAMES[row["name"]] + (f" {row['budget_ms']:.0f} ms" if "budget_ms" in row else "")
        times = ""
        if "times_tracked" in row:
            times = "/".join(_ms(row[name]) for name in ("times_tracked", "slow_times_tracked"))
        table.add_row(
            what,
            *_sizes(row),
            _ms(row["ms"]),
            _ms(row["slow_ms"]),
            times,
            *_memory(row),
            _answer(row),
        )
    return table


def ratio_table(records: Sequence[Record], file: str) -> list[Any]:
    """This run over an earlier one, and below it what only one of the two has.

    Args:
        records: of :func:`~.bench_ratios.ratios`.
        file: where the other one is, for the title.
    """
    table = _table(f"This run over {file}", ("time", "slow", "other", "peak", "growth"), ())
    names = (("ms", "ours_ms"), ("slow_ms",), ("other_ms",))
    sizes = (("peak_mb", "ours_peak_mb"), ("growth_mb", "ours_growth_mb"))
    lines: list[str] = []
    for record in records:
        if "missing" in record:
            where = HERE if record["missing"] == HERE else file
            lines.append(f"not in {where}: {record['key']}")
            continue
        known = [[record[n] for n in each if record.get(n) is not None] for each in names + sizes]
        table.add_row(record["key"], *(f"{each[0]:.2f}" if each else "" for each in known))
    return [table, *lines]


def _table(title: str, numbers: Sequence[str], sizes: Sequence[str] = SIZES) -> Any:
    """An empty table that is narrow enough for a terminal of 80 columns."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("what", overflow="fold")
    for name in (*sizes, *numbers):
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _sizes(row: Record) -> tuple[str, str]:
    """Sizes of the picture and of the templates or objects, and how many they are, as text."""
    count = row.get("objects", row.get("templates"))
    side = f"{row['template']}x{row['template']}"
    return f"{row['width']}x{row['height']}", side if count == 1 else f"{count} of {side}"


def _memory(row: Record) -> tuple[str, str]:
    """Peak and growth as text."""
    return _text(row["peak_mb"]), _text(row["growth_mb"])


def _answer(row: Record) -> str:
    """Whether the answers were right, as text; nothing where there is none to know."""
    return {"True": "yes", "False": "NO"}.get(str(row.get("right")), "")


def _side(row: Record, side: str, faster: str) -> list[str]:
    """The numbers of one side of a comparison, as text."""
    memory = [_text(row[f"{side}_{kind}_mb"]) for kind in ("peak", "growth")]
    return [_ms(row[f"{side}_ms"]), faster, *memory]


def _ms(value: float) -> str:
    """Milliseconds or a ratio as text, with decimals where they count."""
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _text(value: float | None) -> str:
    """MiB as text; nothing where they could not be measured."""
    return "" if value is None else f"{value:.0f}"
