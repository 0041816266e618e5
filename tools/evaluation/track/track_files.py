"""Files of a tracker evaluation: frames and losses as CSV, curves as plots, the worst moments."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ....runtime.drawing.labels import FOUND_COLOUR, MISSED_COLOUR
from ....runtime.drawing.outlines import INK
from ....runtime.files import write_bytes, write_text
from ....runtime.images import Image, resize_to
from ...drawing.draw import CAPTION_COLOUR, FONT, PAPER
from ...drawing.saving import save_picture
from ..metrics import TRACK_THRESHOLDS, success_curve
from .footage import AS_IT_IS
from .track_figures import presence_of
from .track_metrics import (
    DISTANCES,
    NEAR,
    Loss,
    distances,
    overlaps,
    precision_curve,
)
from .track_runs import Trace

Results = Mapping[str, Sequence[Trace]]
"""Tracker -> its traces."""

COLUMNS = (
    *("tracker", "sequence", "kind", "frame", "file", "state", "score"),
    *("x", "y", "w", "h", "true_x", "true_y", "true_w", "true_h", "iou", "distance", "ms"),
)
TILE = (320, 240)
CAPTION = 20
MOMENTS = 12
SHEET_COLUMNS = 4
APART = 25
"""Frames between two of the worst moments of one sequence."""


def save_all(folder: Path, results: Results) -> None:
    """Write the details of an evaluation into a folder, which is made if missing.

    Raises:
        OSError: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = [row for traces in results.values() for trace in traces for row in frame_rows(trace)]
    write_rows(folder / "track-frames.csv", COLUMNS, rows)
    plot_curves(folder / "track-curves.png", results)
    losses = [
        {"tracker": name, **loss._asdict()}
        for name, traces in results.items()
        for trace in traces
        if trace.video.absences
        for loss in presence_of(trace).losses
    ]
    if losses:
        write_rows(folder / "track-losses.csv", ("tracker", *Loss._fields), losses)
    for name, traces in results.items():
        plain = name.replace(" ", "-")
        save_picture(folder / f"track-worst-{plain}.jpg", worst_sheet(traces))


def write_rows(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a CSV file whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def frame_rows(trace: Trace) -> list[dict[str, Any]]:
    """What a tracker said in each frame; what is unknown or absent is left empty."""
    video = trace.video
    ious, apart = overlaps(trace.boxes, video.truth), distances(trace.boxes, video.truth)
    rows: list[dict[str, Any]] = []
    for i, (box, true) in enumerate(zip(trace.boxes, video.truth, strict=True)):
        row: dict[str, Any] = {
            "tracker": trace.tracker,
            "sequence": video.name,
            "kind": video.kind,
            "frame": i,
            "file": video.shots[i].path.name,
            "state": trace.states[i],
            "score": _number(trace.scores[i], 4),
            "iou": _number(ious[i], 4),
            "distance": _number(apart[i], 2),
            "ms": _number(trace.milliseconds[i], 3),
        }
        row |= {side: _number(value, 2) for side, value in zip("xywh", box, strict=True)}
        row |= {f"true_{side}": _number(value, 2) for side, value in zip("xywh", true, strict=True)}
        rows.append(row)
    return rows


def plot_curves(path: Path, results: Results) -> None:
    """Draw success and precision of each tracker, means over the sequences, best first.

    Raises:
        OSError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.0, 5.5), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    curves = {name: _mean_curves(traces) for name, traces in results.items()}
    for name, (success, _) in sorted(curves.items(), key=lambda entry: -entry[1][0].mean()):
        left.plot(TRACK_THRESHOLDS, success, label=f"{name} {success.mean():.3f}")
    for name, (_, precision) in sorted(curves.items(), key=lambda entry: -entry[1][1][NEAR]):
        right.plot(DISTANCES, precision, label=f"{name} {precision[NEAR]:.3f}")
    left.set(title="success", xlabel="IoU threshold", ylabel="share of the frames", xlim=(0, 1))
    right.set(title="precision", xlabel="distance of the centres, px", xlim=(0, DISTANCES[-1]))
    right.axvline(NEAR, color="grey", linewidth=0.8, linestyle=":")
    for axes in (left, right):
        axes.set(ylim=(0, 1.02))
        axes.grid(visible=True, alpha=0.3)
        axes.legend(fontsize=8)
    data = io.BytesIO()
    figure.savefig(data, dpi=110, format="png")
    write_bytes(path, data.getvalue())


def worst_moments(traces: Sequence[Trace], count: int = MOMENTS) -> list[tuple[Trace, int, float]]:
    """The frames with the least overlap, spread over time: trace, frame and IoU, worst first.

    Only sequences as they are count. Of equally bad frames each sequence shows its first in turn.
    """
    found: list[tuple[float, int, int, Trace, int]] = []
    for order, trace in enumerate(traces):
        if trace.video.kind != AS_IT_IS:
            continue
        ious = overlaps(trace.boxes, trace.video.truth)
        # The first box was given.
        ious[0] = np.nan
        turn = 0
        while turn < count and np.isfinite(ious).any():
            frame = int(np.nanargmin(ious))
            found.append((round(float(ious[frame]), 2), turn, order, trace, frame))
            ious[max(0, frame - APART) : frame + APART + 1] = np.nan
            turn += 1
    found.sort(key=lambda entry: entry[:3])
    return [(trace, frame, iou) for iou, _, _, trace, frame in found[:count]]


def worst_sheet(traces: Sequence[Trace]) -> Image:
    """Draw the worst moments of a tracker: the true box green, its own orange.

    Returns:
        ``(H, W, 3)`` uint8 BGR.
    """
    tiles = [_tile(trace, frame, iou) for trace, frame, iou in worst_moments(traces)]
    blank = np.full((TILE[1] + CAPTION, TILE[0], 3), PAPER, np.uint8)
    tiles += [blank] * (-len(tiles) % SHEET_COLUMNS)
    starts = range(0, len(tiles), SHEET_COLUMNS)
    rows = [np.hstack(tiles[start : start + SHEET_COLUMNS]) for start in starts]
    return np.asarray(np.vstack(rows), np.uint8)


def _tile(trace: Trace, frame: int, iou: float) -> Image:
    """One moment under its caption."""
    video = trace.video
    image = video.shots[frame].load()
    height, width = image.shape[:2]
    scale = min(TILE[0] / width, TILE[1] / height)
    scene = resize_to(image, max(1, round(width * scale)), max(1, round(height * scale))).copy()
    boxes = ((video.truth[frame], FOUND_COLOUR), (trace.boxes[frame], MISSED_COLOUR))
    for (x, y, w, h), colour in boxes:
        corners = (
            (round(x * scale), round(y * scale)),
            (round((x + w) * scale), round((y + h) * scale)),
        )
        cv2.rectangle(scene, *corners, INK, 3)
        cv2.rectangle(scene, *corners, colour, 1)
    tile = np.full((TILE[1] + CAPTION, TILE[0], 3), PAPER, np.uint8)
    tile[CAPTION : CAPTION + scene.shape[0], : scene.shape[1]] = scene
    score = trace.scores[frame]
    said = trace.states[frame] + ("" if math.isnan(score) else f" {score:.2f}")
    text = f"{video.name} {video.shots[frame].path.stem}: IoU {iou:.2f}, {said}"
    plain = text.encode("ascii", "replace").decode("ascii")
    cv2.putText(tile, plain, (3, CAPTION - 6), FONT, 0.4, CAPTION_COLOUR, 1, cv2.LINE_AA)
    return tile


def _mean_curves(traces: Sequence[Trace]) -> tuple[Any, Any]:
    """Success and precision curve of a tracker, means over the sequences."""
    plain = [trace for trace in traces if trace.video.kind == AS_IT_IS]
    pairs = [(trace.boxes, trace.video.truth) for trace in plain]
    success = [success_curve(overlaps(*pair), TRACK_THRESHOLDS) for pair in pairs]
    precision = [precision_curve(distances(*pair)) for pair in pairs]
    return np.mean(success, axis=0), np.mean(precision, axis=0)


def _number(value: float, digits: int) -> float | str:
    """A number for a table; nothing for one that is not known."""
    return round(float(value), digits) if math.isfinite(value) else ""
