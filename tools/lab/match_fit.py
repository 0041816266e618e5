"""Fitting the score of matches, and what it is worth on domains that it was not fitted to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.bundle.fits import FitRecord, Number
from ...runtime.bundle.judge_network import JudgeNetwork
from ...runtime.bundle.match_recipe import MatchRecipe
from ...runtime.errors import QatmError
from ...runtime.match.judging import BoxEvidence
from ...runtime.match.matcher import Matcher
from ...runtime.session import Session
from ..evaluation.metrics import calibration_error, roc_auc
from .judge_fit import fit_judge
from .match_samples import JudgedBox, judged_boxes, sample_searches
from .score_fits import DIGITS, ScoreFit
from .score_samples import Each, fingerprint

Array = NDArray[Any]

FOR = frozenset(
    {
        *("likelihood", "similarity", "likeness", "support"),
        *("worst_patches", "most_patches", "best_patches", "correlation", "standing", "detail"),
        "comparison",
    }
)
"""Evidence that speaks for a box."""

AGAINST = frozenset(
    {
        *("worst_spot", "inner_spot", "low_spot", "middle_spot", "high_spot", "tint"),
        *("worst_detail", "middle_detail", "high_detail"),
    }
)
"""Evidence that speaks against it."""

PIXELS = (frozenset({"correlation", "detail", "comparison"}) | AGAINST) - {"tint"}
"""Evidence of registered grey values, each of which means something else beside the others: all but
one spot that fit make a near-duplicate, not an object that is the surer the better the others fit.
Beside colours it would tell footages apart, not objects."""

FAMILIES = {"turned": "video", "sequence turned": "sequence"}
"""Domains of the same footage as others, which are left out together."""

DOMAIN_WEIGHTS = {"video": 8.0, "sequence": 8.0}
"""What a domain counts beside others: of footage more, as there are more of drawn scenes."""

WRONG_WEIGHT = 3.0
"""What a wrong box of a drawn scene counts beside a right one: an object that is not there is not
to be found for another that is nearly the same."""

RIGHT_WEIGHT = 2.5
"""What a right box of footage counts beside a wrong one, which is hardly ever as sure there."""

LATER_WEIGHT = 0.4
"""What a place counts that is not the best of its search."""

DECIMALS = 3
"""Of weights."""

SIGNIFICANT = 4
"""Digits of means and spreads."""


def signs() -> Array:
    """Of each piece of evidence: 1 speaks for a box, -1 against it, 0 has to be known."""
    names = [entry.name for entry in fields(BoxEvidence)]
    return np.array([(name in FOR) - (name in AGAINST) for name in names], float)


def free() -> Array:
    """Which pieces of evidence may count either way beside each other."""
    return np.array([entry.name in PIXELS for entry in fields(BoxEvidence)])


def sample_weights(boxes: Sequence[JudgedBox]) -> Array:
    """What each box counts: families of domains alike, but for footage, and by how it errs."""
    families = np.array([family_of(box) for box in boxes])
    weights = np.array([LATER_WEIGHT if box.rank else 1.0 for box in boxes])
    weights *= [box.weight if box.weight < 1 else 1.0 for box in boxes]
    for family in np.unique(families):
        own = families == family
        weights[own] *= DOMAIN_WEIGHTS.get(str(family), 1.0) / weights[own].sum()
    return weights * [max(1.0, box.weight) * _kind_weight(box) for box in boxes]


def _kind_weight(box: JudgedBox) -> float:
    """What a right or a wrong box counts beside others of its domain."""
    if family_of(box) in FAMILIES.values():
        return RIGHT_WEIGHT if box.right else 1.0
    return 1.0 if box.right else WRONG_WEIGHT


def family_of(box: JudgedBox) -> str:
    """The domain that a box is left out with."""
    return FAMILIES.get(box.domain, box.domain)


def fit_boxes(boxes: Sequence[JudgedBox], kept: Array | None = None) -> JudgeNetwork:
    """Fit the judge to boxes, or to some of them.

    Raises:
        InputError: boxes of one kind only.
    """
    chosen = list(boxes)
    if kept is not None:
        chosen = [box for box, keep in zip(boxes, kept, strict=True) if keep]
    evidence = np.array([box.evidence for box in chosen])
    labels = np.array([box.right for box in chosen])
    return fit_judge(evidence, labels, sample_weights(chosen), signs(), free())


def stored_numbers(network: JudgeNetwork) -> dict[str, tuple[float, ...]]:
    """A network as fields of the recipe, rounded."""
    weights = {"judge_hidden": network.hidden.ravel(), "judge_output": network.output}
    means = {"judge_centre": network.centre, "judge_spread": network.spread}
    return {
        **{n: tuple(float(f"{v:.{SIGNIFICANT}g}") for v in values) for n, values in means.items()},
        **{n: tuple(round(float(v), DECIMALS) for v in values) for n, values in weights.items()},
    }


def left_out_scores(boxes: Sequence[JudgedBox]) -> Array:
    """Scores ``(N,)`` of each family of domains by a fit to the others."""
    families = np.array([family_of(box) for box in boxes])
    evidence = np.array([box.evidence for box in boxes])
    scores = np.empty(len(boxes))
    for family in np.unique(families):
        own = families == family
        scores[own] = _probability(fit_boxes(boxes, ~own).odds(evidence[own]))
    return scores


def domain_figures(boxes: Sequence[JudgedBox], scores: Array, prefix: str = "") -> dict[str, float]:
    """Means over the domains of what scores of the best boxes are worth."""
    rows: list[list[float]] = []
    for domain in sorted({box.domain for box in boxes}):
        own = np.array([box.domain == domain and box.rank == 0 for box in boxes])
        right = np.array([box.right for box in boxes])[own]
        given = scores[own]
        found = given >= 0.5
        if right.any() and not right.all() and found.any():
            rows.append(
                [
                    roc_auc(right, given),
                    calibration_error(right, given),
                    float(right[found].mean()),
                    float(found[right].mean()),
                ]
            )
    names = ("roc_auc", "calibration_error", "precision", "recall")
    means = np.mean(rows, axis=0) if rows else np.full(len(names), np.nan)
    return {prefix + name: float(mean) for name, mean in zip(names, means, strict=True)}


def fit_match(
    session: Session, folder: Path, each: Each, skipped: Callable[[str], None]
) -> ScoreFit:
    """Fit the score of a match; see :mod:`.match_samples`.

    Raises:
        InputError: no usable pairs.
    """
    boxes: list[JudgedBox] = []
    with Matcher(session) as matcher:
        for search in each(sample_searches(folder, skipped), "matching"):
            try:
                boxes += judged_boxes(matcher, search)
            except QatmError:
                # Scenes without copies, templates larger than their picture.
                continue
    return match_fit(session, boxes, fingerprint_of(folder))


def fingerprint_of(folder: Path) -> str:
    """What the searches were made of."""
    parts = [folder, *sorted(path for path in folder.iterdir() if path.is_dir())]
    used = [path for path in parts if path.name.startswith(("otb", "tracking"))]
    return "; ".join(map(fingerprint, used or [folder]))


def match_fit(session: Session, boxes: Sequence[JudgedBox], source: str) -> ScoreFit:
    """Fit the score to judged boxes, and compare it with the stored one.

    Args:
        session: has the numbers that are stored.
        boxes: to fit to.
        source: where they come from.

    Raises:
        InputError: boxes of one kind only.
    """
    spec = session.bundle.spec
    recipe = spec.recipes.match
    numbers: dict[str, Number] = dict(stored_numbers(fit_boxes(boxes)))
    evidence = np.array([box.evidence for box in boxes])
    fitted, stored = (
        # A stored judge may be one that does not know of the last piece.
        _probability(kind.judge.odds(evidence[:, : len(kind.judge_centre)]))
        for kind in (_with(recipe, numbers), recipe)
    )
    best = sum(box.rank == 0 for box in boxes)
    present = sum(box.rank == 0 and box.present for box in boxes)
    figures = {
        "present": float(present),
        "absent": float(best - present),
        **domain_figures(boxes, fitted),
        **domain_figures(boxes, left_out_scores(boxes), "left_out_"),
    }
    record = FitRecord(
        task="match",
        backbone=spec.backbone.label,
        alpha=recipe.alpha,
        numbers=numbers,
        data=f"{len(boxes)} boxes of {best} searches: {source}; and drawn scenes",
        command="qatm lab fit match DIR",
        figures={name: round(value, DIGITS) for name, value in figures.items()},
    )
    before = {name: getattr(recipe, name) for name in numbers}
    apart = float(np.abs(fitted - stored).max())
    return ScoreFit(record, before, (), round(apart, DIGITS))


def _with(recipe: MatchRecipe, numbers: dict[str, Number]) -> MatchRecipe:
    """A recipe with other numbers."""
    return replace(recipe, **numbers)  # type: ignore[arg-type]


def _probability(odds: Array) -> Array:
    """Of log-odds."""
    from scipy.special import expit

    return expit(odds)
