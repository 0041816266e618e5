"""Would an idea have been kept on half of the videos, and does it help on the other half?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..metrics import Array, success_auc
from .match_runs import Outcome

Record = dict[str, Any]

WORST = 0.1
"""The quantile of the gains that says how it goes when it goes badly."""


def half_masks(videos: Sequence[str], halves: int) -> list[tuple[Array, Array]]:
    """Random halves of the videos: which cases choose and which report, both ways round.

    Args:
        videos: of each case.
        halves: how many times to divide the videos; division k is seeded with k.

    Returns:
        Two masks of the cases for each division and direction; empty for fewer than two videos.
    """
    names = np.unique(list(videos))
    if len(names) < 2:
        return []
    masks: list[tuple[Array, Array]] = []
    for seed in range(halves):
        chosen = np.random.default_rng(seed).permutation(names)[: len(names) // 2]
        first = np.isin(list(videos), chosen)
        masks += [(first, ~first), (~first, first)]
    return masks


def half_records(
    results: Mapping[str, Sequence[Outcome]],
    default: str,
    without: Sequence[str],
    protocols: Sequence[str],
    halves: int,
) -> list[Record]:
    """For each idea and protocol, what choosing on one half of the videos means on the other.

    An idea is chosen if the half has a higher AUC with it than without it, in the protocol that is
    reported; a tie drops it. ``gain`` is the mean AUC that the choice, whatever it was, adds on
    the other half to doing without the idea; ``gain_always`` what always keeping the idea adds;
    ``gain_worst`` the tenth percentile of that.

    Args:
        results: label of a variant -> its outcomes, in the same order for all.
        default: the variant with all ideas.
        without: the variants with one idea switched off each.
        protocols: names of the protocols.
        halves: how many times to divide the videos.
    """
    videos = [outcome.task.video for outcome in results[default]]
    masks = half_masks(videos, halves)
    records: list[Record] = []
    for label in without:
        for protocol in protocols:
            kept, dropped = (
                np.array([outcome.overlap(protocol) for outcome in results[name]])
                for name in (default, label)
            )
            differences = np.array(
                [[_gain(kept, dropped, mask) for mask in pair] for pair in masks]
            ).reshape(-1, 2)
            chosen = differences[:, 0] > 0
            gains = differences[:, 1]
            record: Record = {"without": label, "protocol": protocol, "halves": len(masks)}
            if len(masks):
                record["chosen"] = round(float(chosen.mean()), 4)
                record["gain"] = round(float((gains * chosen).mean()), 4)
                record["gain_always"] = round(float(gains.mean()), 4)
                record["gain_worst"] = round(float(np.quantile(gains, WORST)), 4)
            records.append(record)
    return records


def half_lines(records: Sequence[Record]) -> list[str]:
    """The records for people."""
    titles = "".join(f"  {title:>6}" for title in ("chosen", "gain", "always", "worst"))
    lines = [f"{'without':<17}  {'protocol':<13}{titles}"]
    for record in records:
        cells = [f"{record['without']:<17}", f"{record['protocol']:<13}"]
        if "chosen" in record:
            cells.append(f"{record['chosen']:>6.2f}")
            names = ("gain", "gain_always", "gain_worst")
            cells += [f"{record[name]:>+6.3f}" for name in names]
        else:
            cells.append("needs two videos")
        lines.append("  ".join(cells))
    return lines


def _gain(kept: Array, dropped: Array, mask: Array) -> float:
    """AUC with an idea less AUC without it, on some cases."""
    return success_auc(kept[mask]) - success_auc(dropped[mask])
