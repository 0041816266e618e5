"""Files of an evaluation of poses: every search as CSV, success curves, and the worst ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...drawing.saving import save_picture
from ..match.match_files import draw_unit_plots
from ..metrics import MATCH_THRESHOLDS, success_auc, success_curve
from ..track.track_files import write_rows
from .pose_runs import PoseOutcome
from .pose_sheet import pose_sheet, worst_poses

PoseResults = Mapping[str, Sequence[PoseOutcome]]
"""Method -> its outcomes."""

COLUMNS = (
    *("method", "domain", "task", "group", "present", "iou", "score", "found"),
    *("centre_px", "angle_deg", "scale_pct"),
    *("x0", "y0", "x1", "y1", "x2", "y2", "x3", "y3"),
    *("ms_encode", "ms_search", "error"),
)


def save_poses(folder: Path, results: PoseResults) -> None:
    """Write the details of an evaluation into a folder, which is made if missing.

    Raises:
        OSError: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_pose_csv(folder / "pose-pairs.csv", results)
    plot_pose_success(folder / "pose-curves.png", results)
    for method, outcomes in results.items():
        sheet = pose_sheet(worst_poses(outcomes))
        save_picture(folder / f"pose-worst-{method}.jpg", sheet)


def write_pose_csv(path: Path, results: PoseResults) -> None:
    """Write one row for each method and search.

    Raises:
        OSError: the file cannot be written.
    """
    write_rows(path, COLUMNS, [_row(one) for outcomes in results.values() for one in outcomes])


def plot_pose_success(path: Path, results: PoseResults) -> None:
    """Draw the success curve of each method, best first.

    Raises:
        OSError: the file cannot be written.
    """

    def draw(axes: Any, title: str) -> None:
        curves = []
        for method, outcomes in results.items():
            overlaps = [outcome.overlap for outcome in outcomes]
            curves.append((success_auc(overlaps), method, success_curve(overlaps)))
        for auc, method, curve in sorted(curves, key=lambda entry: -entry[0]):
            axes.plot(MATCH_THRESHOLDS, curve, label=f"{method} {auc:.3f}")
        axes.set(title=title, xlabel="IoU threshold of the outlines", ylabel="success rate")

    draw_unit_plots(path, ["turned and zoomed"], draw)


def _row(outcome: PoseOutcome) -> dict[str, Any]:
    """One line of the CSV."""
    task = outcome.task
    row: dict[str, Any] = {
        "method": outcome.method,
        "domain": task.domain,
        "task": task.name,
        "group": task.group,
        "present": int(outcome.present),
        "score": round(outcome.score, 6),
        "found": int(outcome.found),
        "ms_encode": round(outcome.times.encode, 2),
        "ms_search": round(outcome.times.search, 2),
        "error": outcome.error or "",
    }
    if outcome.present:
        row["iou"] = round(outcome.overlap, 4)
    if outcome.corners is not None:
        names = [f"{axis}{i}" for i in range(4) for axis in "xy"]
        row |= {name: round(x, 3) for name, x in zip(names, outcome.corners, strict=True)}
    if outcome.errors is not None:
        names = ("centre_px", "angle_deg", "scale_pct")
        row |= {name: round(x, 4) for name, x in zip(names, outcome.errors, strict=True)}
    return row
