"""``qatm calib report``: what the INT8 artefacts of a bundle cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...runtime.bundle.folder import Bundle
from ...runtime.errors import InputError
from ..console import (
    add_commands,
    command_group,
    json_line,
    print_line,
    progress,
    refuse_given,
    skipped,
    tell,
)
from ..evaluation.match.frame_pairs import usable_pairs
from ..process import quiet_video

if TYPE_CHECKING:
    from ...calib.calibration import CalibrationOptions, Progress
    from ...calib.report import Cost
    from ..evaluation.match.precisions import PairCost

    Costs = Sequence[Cost] | Sequence[PairCost]

TIMED = "int8-cpu"

Rows = Sequence[tuple[str, str, str]]
"""Lines of a table: title, field and format."""

COST_ROWS: Rows = (
    ("features, SQNR (dB)", "sqnr", ".1f"),
    ("features, worst image (dB)", "sqnr_worst", ".1f"),
    ("quality map, mean error", "quality_mean", ".4f"),
    ("quality map, largest error", "quality_max", ".3f"),
    ("boxes with IoU > 0.8", "boxes_agree", ".1%"),
    ("largest box shift (px)", "box_shift", ".1f"),
    ("largest score difference", "score_max", ".3f"),
    ("size (MB)", "megabytes", ".2f"),
    ("size of FP32 (MB)", "float_megabytes", ".2f"),
)
SPEED_ROWS: Rows = (
    ("features, times as fast", "features_speed", ".2f"),
    ("match(), times as fast", "match_speed", ".2f"),
)
PAIR_ROWS: Rows = (
    ("AUC, gt-size", "auc_gt_size", ".3f"),
    ("AUC, template-size", "auc_template_size", ".3f"),
    ("boxes within 1 px of FP32", "boxes_within_pixel", ".1%"),
    ("boxes with IoU > 0.8", "boxes_agree", ".1%"),
    ("same answer to 'found'", "found_agree", ".1%"),
    ("largest box shift (px)", "box_shift", ".1f"),
    ("largest score difference", "score_max", ".3f"),
    ("failed pairs", "failed", "d"),
)

calib_app = command_group("calib", "INT8 calibration: what it costs.")


def report(
    context: typer.Context,
    bundle: Annotated[
        Path, typer.Argument(metavar="BUNDLE", help="Folder written by qatm-export --int8.")
    ],
    calib: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SOURCE",
            help="Images, folder, glob, video or .npy to compare on; may be repeated. Better not "
            "those used to calibrate. Default: photographs that scikit-image carries.",
        ),
    ] = None,
    images: Annotated[
        int, typer.Option(metavar="N", help="How many to compare on.", min=4, max=10_000)
    ] = 12,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the choice of images.", min=0)] = 1,
    timings: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Also time int8-cpu against FP32 so often, on this CPU at 640x480.",
            min=0,
            max=1000,
        ),
    ] = 0,
    pairs: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Compare on pairs of frames with known boxes instead, as 'qatm eval' takes them; "
            "FP16 too.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per artefact.")
    ] = False,
) -> None:
    """Say what INT8 costs: features, quality maps, boxes, against the float model of the bundle.

    Everything is compared on the CPU, also the files that are meant for GPUs; FP16 is rounded as
    they round it.

    Exit status: 0, or 2 if it cannot be measured.
    """
    from ...calib.calibration import CalibrationOptions

    if pairs is not None:
        names = ("calib", "images", "seed", "timings")
        refuse_given(context, names, "is not for pairs of frames; leave it or --pairs out")
    loaded = Bundle.load(bundle)
    if timings and TIMED not in loaded.precisions("features"):
        raise InputError(f"--timings times {TIMED} features, which bundle {bundle} does not have")
    with quiet_video(), progress() as bar:
        if pairs is not None:
            costs, source, title = _on_pairs(loaded, pairs, bar)
        else:
            options = CalibrationOptions(sources=tuple(calib or ()), images=images, seed=seed)
            costs, source, title = _on_images(loaded, options, timings, bar)
    if as_json:
        for cost in costs:
            print_line(json_line({**cost.as_dict(), "source": source}))
        return
    rows = PAIR_ROWS if pairs is not None else (*COST_ROWS, *(SPEED_ROWS if timings else ()))
    print_line(title)
    for line in table_lines(costs, rows):
        print_line(line)


def _on_images(
    bundle: Bundle, options: CalibrationOptions, timings: int, progress: Progress
) -> tuple[Costs, str, str]:
    """What INT8 costs on images: the figures, where the images are from, and a title."""
    from ...calib.report import quantisation_report

    costs, used = quantisation_report(bundle, options, progress, timings)
    for name, reason in used.skipped.items():
        tell(f"skipped {name}: {reason}")
    return costs, used.source, f"INT8 against FP32 on {costs[0].images} views of {used.source}"


def _on_pairs(bundle: Bundle, folder: Path, progress: Progress) -> tuple[Costs, str, str]:
    """What every precision costs on pairs of frames: the figures, the folder, and a title."""
    from ..evaluation.match.precisions import compare_on_pairs

    pairs = usable_pairs(folder, skipped).pairs
    costs = compare_on_pairs(bundle, pairs, progress)
    return costs, str(folder), f"Against FP32 on {len(pairs)} pairs of frames in {folder}"


add_commands(calib_app, {"report": report})


def table_lines(costs: Costs, rows: Rows) -> Iterator[str]:
    """What each precision costs, one figure a line."""
    yield _row("", [cost.precision for cost in costs])
    for title, field, style in rows:
        values: list[Any] = [getattr(cost, field) for cost in costs]
        yield _row(title, ["-" if value is None else format(value, style) for value in values])


def _row(title: str, cells: Sequence[str]) -> str:
    """A title and columns."""
    return f"  {title:<28}" + "".join(f"{cell:>12}" for cell in cells)
