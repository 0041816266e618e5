"""The files of ``qatm bench``: its records, and how time and memory grow as a plot."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ....runtime.files import whole, write_text

Record = dict[str, Any]

RESULTS = "bench.jsonl"
PLOT = "bench.png"
BENCH_SIZE = (640, 480)


def save_records(records: Sequence[Record], folder: Path) -> None:
    """Write the records and the plot, each whole or not at all.

    Args:
        records: what was measured.
        folder: made if missing.

    Raises:
        OSError: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(record, allow_nan=False) + "\n" for record in records)
    write_text(folder / RESULTS, "".join(lines))
    plot(records, folder / PLOT)


def plot(records: Sequence[Record], path: Path) -> None:
    """Draw the points of the curve.

    Left, time and memory over the size of the picture with one template; right, over the number
    of templates at 640 x 480.

    Args:
        records: what the benchmark measured; only those named ``scaling`` are drawn.
        path: PNG file to write, whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    points = [record for record in records if record["name"] == "scaling"]
    sizes = [p for p in points if p["templates"] == 1]
    counts = [p for p in points if (p["width"], p["height"]) == BENCH_SIZE]
    figure = Figure(figsize=(10, 7), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 2, sharex="col")
    for row, value in enumerate(("ms", "peak_mb")):
        draw(axes[row, 0], [(p["width"] * p["height"] / 1e6, p[value], label(p)) for p in sizes])
        draw(axes[row, 1], [(p["templates"], p[value], "") for p in counts])
    axes[0, 0].set(title="one template", ylabel="match(), ms", xscale="log")
    axes[1, 0].set(xlabel="picture, megapixels", ylabel="peak memory of the process, MiB")
    axes[0, 1].set(title="640 x 480")
    axes[1, 1].set(xlabel="templates", xticks=[p["templates"] for p in counts])
    with whole(path) as part:
        figure.savefig(part, dpi=110, format="png")


def label(point: Record) -> str:
    """Which sizes a point stands for: the picture's, and below it the template's."""
    side = point["template"]
    return f"{point['width']} x {point['height']}\n({side} x {side})"


def draw(axes: Any, points: Sequence[tuple[float, float | None, str]]) -> None:
    """Draw ``(x, y, label)`` from zero upwards, leaving out what could not be measured."""
    known = [(x, y, text) for x, y, text in points if y is not None]
    axes.plot([x for x, _, _ in known], [y for _, y, _ in known], marker="o")
    for x, y, text in known:
        place = {"xytext": (0, 6), "textcoords": "offset points", "ha": "center"}
        axes.annotate(text, (x, y), fontsize=7, **place)
    axes.set_ylim(0, 1.2 * max((y for _, y, _ in known), default=1.0))
    axes.margins(x=0.12)
    axes.grid(visible=True, alpha=0.3)
