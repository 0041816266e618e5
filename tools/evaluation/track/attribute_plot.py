"""Bars of how well trackers do on sequences of each kind."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from ....runtime.files import write_bytes
from .track_figures import Record

TOGETHER = 0.8
"""Part of the room of an attribute that its bars take."""


def plot_attributes(path: Path, means: Sequence[Record]) -> None:
    """Draw the mean AUC of each tracker over all sequences, and over those with each attribute.

    Args:
        path: a .png file; its folder is made if missing.
        means: of the trackers, at least one.

    Raises:
        OSError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    counts = {name: entry["sequences"] for name, entry in means[0]["attributes"].items()}
    titles = [f"all\n({means[0]['sequences']})"]
    titles += [f"{name}\n({count})" for name, count in counts.items()]
    figure = Figure(figsize=(3.0 + 1.4 * len(titles), 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    width = TOGETHER / len(means)
    for order, record in enumerate(means):
        aucs = [record["auc"], *(record["attributes"][name]["auc"] for name in counts)]
        shift = (order - (len(means) - 1) / 2.0) * width
        places = [place + shift for place in range(len(titles))]
        bars = axes.bar(places, aucs, width, label=record["tracker"])
        axes.bar_label(bars, fmt="%.2f", fontsize=7)
    axes.set(ylabel="mean success AUC", ylim=(0, 1))
    axes.set_xticks(range(len(titles)), titles)
    axes.grid(visible=True, axis="y", alpha=0.3)
    axes.legend(fontsize=8)
    data = io.BytesIO()
    figure.savefig(data, dpi=110, format="png")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, data.getvalue())
