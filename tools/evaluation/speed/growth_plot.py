"""The plot of ``qatm bench``: how the cost grows, on logarithmic axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ....runtime.files import whole
from .bench_files import BenchRun

Record = dict[str, Any]

TIME_COLOUR, MEMORY_COLOUR = "tab:blue", "tab:orange"
ROOM = 1.07
"""What an axis reaches beyond its first and last tick."""

NAMED = ("qatm", "onnxruntime", "onnxruntime-gpu", "opencv", "numpy", "python")
"""The versions that stand below the plot."""


class GrowthPanel(NamedTuple):
    """One curve.

    Attributes:
        title: what is measured.
        across: what grows.
        of: whether a row is a point of it.
        at: where on the axis the point lies.
        label: what stands at its tick.
    """

    title: str
    across: str
    of: Callable[[Record], bool]
    at: Callable[[Record], float]
    label: Callable[[Record], str]


def panels(rows: Sequence[Record]) -> list[GrowthPanel]:
    """The four curves; their titles say what stays the same while one thing grows."""
    side = _same(rows, lambda row: row["name"] == "scaling", "template")
    size = next((_size(row) for row in rows if _of_counts(row, rows)), "")
    within = next((_size(row) for row in rows if row["name"] == "object_size"), "")
    frames = next((_size(row) for row in rows if row["name"] == "objects"), "")
    return [
        GrowthPanel(
            f"match(), one template of {side} x {side} px",
            "picture, megapixels",
            lambda row: row["name"] == "scaling" and _one(row, side),
            lambda row: row["width"] * row["height"] / 1e6,
            lambda row: f"{row['width'] * row['height'] / 1e6:.2g}",
        ),
        GrowthPanel(
            f"match(), templates of {side} x {side} px in {size}",
            "templates",
            lambda row: _of_counts(row, rows),
            lambda row: row["templates"],
            lambda row: str(row["templates"]),
        ),
        GrowthPanel(
            f"match(), one template in {within}",
            "side of the template, px",
            lambda row: row["name"] == "object_size",
            lambda row: row["template"],
            lambda row: str(row["template"]),
        ),
        GrowthPanel(
            f"MultiTracker, a frame of {frames}, objects of {side} x {side} px",
            "objects tracked",
            lambda row: row["name"] == "objects",
            lambda row: row["objects"],
            lambda row: str(row["objects"]),
        ),
    ]


def plot(run: BenchRun, path: Path) -> None:
    """Draw how time and memory grow with pixels, templates, their size, and objects tracked.

    Args:
        run: what was measured; a curve that it lacks says so.
        path: PNG file to write, whole or not at all; folders above it are made.

    Raises:
        OSError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 8.5), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, panel in zip(figure.subplots(2, 2).flat, panels(run.rows), strict=True):
        _draw(axes, panel, sorted(filter(panel.of, run.rows), key=panel.at))
    figure.suptitle("How the cost grows", fontsize=13)
    figure.supxlabel("\n".join(footer(run)), fontsize=8, color="dimgrey")
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as part:
        figure.savefig(part, dpi=110, format="png")


def footer(run: BenchRun) -> list[str]:
    """What measured: machine, model, versions, pictures; two lines."""
    made = f"{run.machine['cpu']}, {run.machine['cores']} cores, {run.machine['system']}"
    model = [str(run.model.get(name)) for name in ("backbone", "precision", "device")]
    named = [f"{name} {run.versions[name]}" for name in NAMED if name in run.versions]
    return [
        f"{made}; {' '.join(model)}",
        f"{', '.join(named)}; pictures: {run.pictures}; {run.made}",
    ]


def _draw(axes: Any, panel: GrowthPanel, points: Sequence[Record]) -> None:
    """Draw time on the left axis and memory on the right one; both are logarithmic."""
    axes.set(title=panel.title, xlabel=panel.across)
    axes.title.set_fontsize(10)
    if not points:
        axes.text(0.5, 0.5, "not measured in this run", ha="center", transform=axes.transAxes)
        axes.set(xticks=[], yticks=[])
        return
    memory = axes.twinx()
    sides = (
        (axes, "ms", "time, ms", TIME_COLOUR, "o-"),
        (memory, "growth_mb", "memory on top of libraries, MiB", MEMORY_COLOUR, "s--"),
    )
    axes.set_xscale("log")
    for there, field, title, colour, style in sides:
        # What cannot be measured, or did not grow, has no place on a logarithmic axis.
        known = [point for point in points if (point[field] or 0) > 0]
        there.plot([panel.at(p) for p in known], [p[field] for p in known], style, color=colour)
        there.set_ylabel(title, color=colour)
        there.tick_params(axis="y", colors=colour, which="both")
        if known:
            _scale(there, [p[field] for p in known])
    axes.set_xticks([panel.at(p) for p in points], [panel.label(p) for p in points])
    axes.set_xticks([], minor=True)
    axes.margins(x=0.08)
    axes.grid(visible=True, alpha=0.3)


def _scale(axes: Any, values: Sequence[float]) -> None:
    """A logarithmic axis that begins and ends at a 1, 2 or 5, with a tick at each of them."""
    steps = [digit * 10.0**power for power in range(-3, 8) for digit in (1, 2, 5)]
    low = max(step for step in steps if step <= min(values))
    high = min(step for step in steps if step >= max(values) and step > low)
    ticks = [step for step in steps if low <= step <= high]
    axes.set_yscale("log")
    axes.set_ylim(low / ROOM, high * ROOM)
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks([], minor=True)


def _of_counts(row: Record, rows: Sequence[Record]) -> bool:
    """Whether a row is a point of the curve over templates: of its size, with one or more."""
    many = next((r for r in rows if r["name"] == "scaling" and r["templates"] > 1), None)
    same = many is not None and all(row[n] == many[n] for n in ("width", "height", "template"))
    return row["name"] == "scaling" and same


def _one(row: Record, side: int) -> bool:
    """Whether a row is about one template of this side."""
    return row["templates"] == 1 and row["template"] == side


def _same(rows: Sequence[Record], wanted: Callable[[Record], bool], field: str) -> int:
    """The most frequent value of a field."""
    values = [row[field] for row in rows if wanted(row)]
    values = values or [row[field] for row in rows if row["name"] == "objects"]
    return max(values, key=values.count, default=0)


def _size(row: Record) -> str:
    """The size of a row's picture, as text."""
    return f"{row['width']} x {row['height']}"
