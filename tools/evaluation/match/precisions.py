"""Every precision of a bundle on pairs of frames with known boxes, compared with FP32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ....calib.calibration import Progress, silent
from ....calib.report import AGREE, promoted
from ....runtime.boxes import Box, box_iou
from ....runtime.bundle.folder import Bundle
from ....runtime.errors import BundleError
from ...baselines import MethodOptions, open_method
from ..metrics import success_auc
from .frame_pairs import FramePair
from .match_runs import GT_SIZE, PROTOCOLS, TEMPLATE_SIZE, MatchTask, Outcome, run_task

TRUTH = "fp32"
PIXEL = 1.0


@dataclass(frozen=True)
class PairCost:
    """How one precision fares on pairs of frames.

    Attributes:
        precision: of the features graph; matching is always in FP32.
        pairs: how many were searched.
        failed: how many could not be; they count with an IoU of 0 and as disagreement.
        auc_gt_size: mean success rate where the true size is given away.
        auc_template_size: the same where only the template is known.
        boxes_within_pixel: share of boxes whose edges lie within 1 px of those of FP32.
        boxes_agree: share of boxes that overlap that of FP32 by more than ``AGREE``.
        found_agree: share of pairs with the same answer to "is it there?".
        box_shift: largest distance of an edge from that of FP32, in pixels.
        score_max: largest difference of scores.
    """

    precision: str
    pairs: int
    failed: int
    auc_gt_size: float
    auc_template_size: float
    boxes_within_pixel: float
    boxes_agree: float
    found_agree: float
    box_shift: float
    score_max: float

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON."""
        return asdict(self)


def compare_on_pairs(
    bundle: Bundle, pairs: Sequence[FramePair], progress: Progress = silent
) -> list[PairCost]:
    """Search all pairs with every features graph of a bundle, one thread each, on the CPU.

    Args:
        bundle: holds at least one features graph beside the one in FP32.
        pairs: what to search.
        progress: told about every search.

    Returns:
        One entry for each precision, FP32 first.

    Raises:
        BundleError: there is nothing to compare with FP32, or a file is damaged.
    """
    precisions = bundle.precisions("features")
    if precisions == [TRUTH]:
        raise BundleError(
            f"bundle {bundle.path} has features in FP32 only, so there is nothing to compare; "
            "write others with qatm-export --fp16 --int8"
        )
    outcomes = {name: _search(bundle, name, pairs, progress) for name in precisions}
    truth = outcomes.pop(TRUTH)
    return [
        compare_outcomes(name, found, truth) for name, found in ({TRUTH: truth} | outcomes).items()
    ]


def _search(
    bundle: Bundle, precision: str, pairs: Sequence[FramePair], progress: Progress
) -> list[Outcome]:
    """What one features graph makes of each pair."""
    outcomes = []
    with promoted(bundle, precision) as folder:
        method = open_method("qatm", MethodOptions(model=folder, device="cpu", threads=1))
        try:
            for done, pair in enumerate(pairs, 1):
                task = MatchTask(pair.name, pair.video, pair.template, pair.search)
                outcomes.append(run_task(method, task, PROTOCOLS))
                progress(f"searching with {precision}", done, len(pairs))
        finally:
            method.close()
    return outcomes


def compare_outcomes(
    precision: str, found: Sequence[Outcome], truth: Sequence[Outcome]
) -> PairCost:
    """Compare the answers of one precision with those of FP32, pair by pair."""
    answers = [
        (outcome.answers[TEMPLATE_SIZE], expected.answers[TEMPLATE_SIZE])
        for outcome, expected in zip(found, truth, strict=True)
        if outcome.answers and expected.answers
    ]
    usable = max(1, sum(bool(expected.answers) for expected in truth))
    shifts = [_shift(answer.box, expected.box) for answer, expected in answers]
    scores = [abs(answer.score - expected.score) for answer, expected in answers]
    return PairCost(
        precision=precision,
        pairs=len(found),
        failed=sum(not outcome.answers for outcome in found),
        auc_gt_size=success_auc([outcome.overlap(GT_SIZE) for outcome in found]),
        auc_template_size=success_auc([outcome.overlap(TEMPLATE_SIZE) for outcome in found]),
        boxes_within_pixel=sum(shift <= PIXEL for shift in shifts) / usable,
        boxes_agree=sum(box_iou(a.box, b.box) > AGREE for a, b in answers) / usable,
        found_agree=sum(a.found == b.found for a, b in answers) / usable,
        box_shift=max(shifts, default=0.0),
        score_max=max(scores, default=0.0),
    )


def _shift(box: Box, other: Box) -> float:
    """Largest distance between an edge of one box and the same edge of another, in pixels."""
    corners = [np.array([b.x, b.y, b.x + b.w, b.y + b.h]) for b in (box, other)]
    return float(np.abs(corners[0] - corners[1]).max())
