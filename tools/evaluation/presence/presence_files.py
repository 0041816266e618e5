"""Files of an evaluation of presence: every search as CSV, reliability diagrams, the worst ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...drawing.saving import save_picture
from ..match.match_files import draw_unit_plots
from ..metrics import calibration_error
from ..pose.pose_files import write_pose_csv
from ..pose.pose_runs import PoseOutcome
from ..pose.pose_sheet import pose_sheet, worst_poses
from .presence_figures import Verdicts

DomainOutcomes = Mapping[str, Sequence[PoseOutcome]]
"""Domain -> its outcomes."""

PresenceResults = Mapping[str, DomainOutcomes]
"""Method -> its domains."""

PLOTS_IN_A_ROW = 4
MARK = 500.0
"""Area of the mark of a bin that holds every search."""


def by_domain(outcomes: Sequence[PoseOutcome]) -> dict[str, list[PoseOutcome]]:
    """The outcomes of each domain, in the order in which they first appear."""
    domains: dict[str, list[PoseOutcome]] = {}
    for outcome in outcomes:
        domains.setdefault(outcome.task.domain, []).append(outcome)
    return domains


def save_presence(folder: Path, results: PresenceResults) -> None:
    """Write the details of an evaluation into a folder, which is made if missing.

    Raises:
        OSError: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    flat = {
        method: [one for outcomes in domains.values() for one in outcomes]
        for method, domains in results.items()
    }
    write_pose_csv(folder / "presence-searches.csv", flat)
    plot_reliability(folder / "presence-reliability.png", results)
    for method, domains in results.items():
        for domain, outcomes in domains.items():
            sheet = pose_sheet(worst_poses(outcomes))
            save_picture(folder / f"presence-worst-{method}-{domain}.jpg", sheet)


def plot_reliability(path: Path, results: PresenceResults) -> None:
    """Draw the share of right boxes over their score, one plot a domain.

    A bin's mark is as large as it holds searches; on the diagonal a score means what it says.

    Raises:
        OSError: the file cannot be written.
    """

    def draw(axes: Any, domain: str) -> None:
        axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle=":", label="as it says")
        for method, domains in results.items():
            verdicts = Verdicts.of(domains[domain])
            error = calibration_error(verdicts.right, verdicts.scores)
            bins = [one for one in verdicts.bins() if one.answers]
            places = [one.score for one in bins], [one.right for one in bins]
            (line,) = axes.plot(*places, linewidth=1.0, label=f"{method} ECE {error:.3f}")
            areas = [MARK * math.sqrt(one.answers / len(verdicts.right)) for one in bins]
            axes.scatter(*places, s=areas, color=line.get_color(), alpha=0.4, linewidths=0)
        axes.set(title=domain, xlabel="score", ylabel="share of right boxes")

    domains = list(next(iter(results.values())))
    draw_unit_plots(path, domains, draw, PLOTS_IN_A_ROW)
