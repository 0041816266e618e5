"""The plot of ``qatm bench``: how time and memory grow with the picture and the templates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

Record = dict[str, Any]

BENCH_SIZE = (640, 480)


def plot(records: Sequence[Record], path: Path) -> None:
    """Draw the points of the curve.

    Left, time and memory over the size of the picture with one template; right, over the number
    of templates at 640 x 480.

    Args:
        records: what the benchmark measured; only those named ``scaling`` are drawn.
        path: PNG file to write.

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
    megapixels = [p["width"] * p["height"] / 1e6 for p in sizes]
    templates = [p["templates"] for p in counts]
    draw(axes[0, 0], megapixels, [p["ms"] for p in sizes])
    draw(axes[1, 0], megapixels, [p["peak_mb"] for p in sizes])
    draw(axes[0, 1], templates, [p["ms"] for p in counts])
    draw(axes[1, 1], templates, [p["peak_mb"] for p in counts])
    axes[0, 0].set(title="one template", ylabel="match(), ms", xscale="log")
    axes[1, 0].set(xlabel="picture, megapixels", ylabel="peak memory of the process, MiB")
    axes[0, 1].set(title="640 x 480")
    axes[1, 1].set(xlabel="templates")
    figure.savefig(path, dpi=110, format="png")


def draw(axes: Any, x: Sequence[float], y: Sequence[float | None]) -> None:
    """Draw one curve from zero upwards, leaving out what could not be measured."""
    known = [(a, b) for a, b in zip(x, y, strict=True) if b is not None]
    axes.plot([a for a, _ in known], [b for _, b in known], marker="o")
    axes.set_ylim(bottom=0)
    axes.grid(visible=True, alpha=0.3)
