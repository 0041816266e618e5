"""Files of an evaluation: every pair as CSV, success curves and ROC curves as plots."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ....runtime.files import write_bytes, write_text
from ..metrics import MATCH_THRESHOLDS, roc_auc, roc_curve, success_auc, success_curve
from .match_figures import scores_of
from .match_runs import Outcome

Results = Mapping[str, Sequence[Outcome]]
"""Method -> its outcomes."""

COLUMNS = (
    *("method", "protocol", "pair", "video", "template", "search", "present"),
    *("iou", "score", "found", "x", "y", "w", "h", "true_x", "true_y", "true_w", "true_h"),
    *("ms", "error"),
)


def write_csv(path: Path, results: Results, protocols: Sequence[str]) -> None:
    """Write one row for each method, protocol and pair.

    Raises:
        OSError: the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for outcomes in results.values():
        for protocol in protocols:
            writer.writerows(_row(outcome, protocol) for outcome in outcomes)
    write_text(path, text.getvalue())


def plot_success(path: Path, results: Results, protocols: Sequence[str]) -> None:
    """Draw the success curve of each method, one plot a protocol, best method first.

    Raises:
        OSError: the file cannot be written.
    """

    def draw(axes: Any, protocol: str) -> None:
        curves = []
        for method, outcomes in results.items():
            overlaps = [outcome.overlap(protocol) for outcome in outcomes]
            curves.append((success_auc(overlaps), method, success_curve(overlaps)))
        for auc, method, curve in sorted(curves, key=lambda entry: -entry[0]):
            axes.plot(MATCH_THRESHOLDS, curve, label=f"{method} {auc:.3f}")
        axes.set(title=protocol, xlabel="IoU threshold", ylabel="success rate")

    draw_unit_plots(path, protocols, draw)


def plot_roc(path: Path, results: Results, protocols: Sequence[str]) -> None:
    """Draw the ROC curve of each method, one plot a protocol, best method first.

    Raises:
        OSError: the file cannot be written.
    """

    def draw(axes: Any, protocol: str) -> None:
        curves = []
        for method, outcomes in results.items():
            present = np.array([outcome.task.present for outcome in outcomes])
            scores = scores_of(outcomes, protocol)
            curves.append((roc_auc(present, scores), method, roc_curve(present, scores)))
        for auc, method, (false, true) in sorted(curves, key=lambda entry: -entry[0]):
            axes.plot(false, true, label=f"{method} {auc:.3f}")
        axes.set(title=protocol, xlabel="false positive rate", ylabel="true positive rate")

    draw_unit_plots(path, protocols, draw)


def draw_unit_plots(
    path: Path, titles: Sequence[str], draw: Callable[[Any, str], None], columns: int | None = None
) -> None:
    """Draw one square plot a title, from 0 to 1 on both axes, with a legend.

    Args:
        path: of the PNG file.
        titles: of the plots; protocols or domains.
        draw: given axes and title.
        columns: plots in a row; by default all of them.

    Raises:
        OSError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    wide = min(columns or len(titles), len(titles))
    tall = -(-len(titles) // wide)
    figure = Figure(figsize=(6.0 * wide, 5.5 * tall), layout="constrained")
    FigureCanvasAgg(figure)
    plots = figure.subplots(tall, wide, squeeze=False).ravel()
    for axes in plots[len(titles) :]:
        axes.set_axis_off()
    for axes, title in zip(plots, titles):  # noqa: B905
        draw(axes, title)
        axes.set(xlim=(0, 1), ylim=(0, 1.02))
        axes.grid(visible=True, alpha=0.3)
        axes.legend(fontsize=8)
    data = io.BytesIO()
    figure.savefig(data, dpi=110, format="png")
    write_bytes(path, data.getvalue())


def _row(outcome: Outcome, protocol: str) -> dict[str, Any]:
    """One line of the CSV."""
    task, answer = outcome.task, outcome.answers.get(protocol)
    row: dict[str, Any] = {
        "method": outcome.method,
        "protocol": protocol,
        "pair": task.name,
        "video": task.video,
        "template": task.template.path.name,
        "search": task.search.path.name,
        "present": int(task.present),
        "ms": round(outcome.milliseconds, 2),
        "error": outcome.error or "",
    }
    if task.present:
        row |= {f"true_{side}": value for side, value in zip("xywh", task.search.box, strict=True)}
        row["iou"] = round(outcome.overlap(protocol), 4)
    if answer:
        row |= {side: round(value, 2) for side, value in zip("xywh", answer.box, strict=True)}
        row["score"] = round(answer.score, 6)
        row["found"] = "" if answer.found is None else int(answer.found)
    return row
