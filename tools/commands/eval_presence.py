"""``qatm eval presence``: can the score be trusted, whatever the pictures show?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..console import complain, json_line, refuse_given, skipped
from ..destinations import check_drawing, check_new_file
from ..evaluation.processes import usual_processes
from .option_groups import grouped
from .pose_flags import PoseFlags, PoseMethodFlags, print_searches

if TYPE_CHECKING:
    from ..evaluation.presence.presence_files import DomainOutcomes


@grouped
def presence(
    context: typer.Context,
    folders: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="DIR",
            help="Folders of pairs, as for qatm eval motb (domains video and turned), and of "
            "photographs of different things (domain photographs). Without one, only what is "
            "generated is judged on.",
            show_default=False,
        ),
    ] = None,
    *,
    domain: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Domains, repeated or separated by commas: video, turned, photographs, and the "
            "generated ones. Default: all that the folders allow.",
            show_default=False,
        ),
    ] = None,
    scenes: Annotated[
        int, typer.Option(metavar="N", min=1, help="Scenes of each generated domain.")
    ] = 100,
    min_score: Annotated[
        float | None,
        typer.Option(
            metavar="SCORE",
            min=0.0,
            max=1.0,
            help="Count as found what has this score or more, instead of what the method says.",
            show_default=False,
        ),
    ] = None,
    poses: PoseFlags,
    methods: PoseMethodFlags,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the reliability diagrams into a .png file."),
    ] = None,
) -> None:
    """Does a score say how surely the box is right?

    Each search has one answer, right if its outline overlaps that of an object by more than half;
    where the object is absent no answer is right. Pairs are searched as they are (video) and with
    the second frame turned and zoomed (turned), each once for its own object and once for that of
    another video; photographs once turned for a part of their own, and once for a part of another
    one; generated scenes hold the object once, several times, only things that resemble it, or
    none. Precision, recall and alarms are those of the method's own "found" (qatm: score from .5),
    or of --min-score: try which one keeps alarms as rare as you need them. ECE is the mean
    difference between score and share of right answers, in ten bins of the score.

    Exit status: 0 evaluated, 2 wrong usage or nothing usable.
    """
    from ..evaluation.pose.pose_evaluation import PoseEvaluation
    from ..evaluation.presence.presence_domains import PresencePlan, presence_tasks
    from ..evaluation.presence.presence_figures import PRESENCE_NOTE, presence_head
    from ..evaluation.presence.presence_files import by_domain, plot_reliability, save_presence

    given = folders or []
    domains = _domains(context, domain or (), given)
    if plot is not None:
        check_drawing("--plot")
        check_new_file("--plot", plot, [".png"])
    asked = methods.read(context)
    usable = asked.usable(complain)
    plan = PresencePlan(domains, poses.span(), poses.seed, poses.every, scenes)
    tasks = presence_tasks(given, plan, skipped)
    processes = methods.processes or usual_processes()
    evaluation = PoseEvaluation(tasks, usable, asked.options, processes)

    def lines(method: str) -> list[str]:
        outcomes = by_domain(evaluation.outcomes[method])
        return _lines(method, outcomes, min_score, methods.as_json)

    print_searches(evaluation, presence_head(), lines, PRESENCE_NOTE, as_json=methods.as_json)
    results = {method: by_domain(outcomes) for method, outcomes in evaluation.outcomes.items()}
    if methods.save is not None:
        save_presence(methods.save, results)
    if plot is not None:
        plot.parent.mkdir(parents=True, exist_ok=True)
        plot_reliability(plot, results)


def _domains(
    context: typer.Context, asked: Sequence[str], folders: Sequence[Path]
) -> tuple[str, ...]:
    """The domains that are meant.

    Raises:
        InputError: none that can be judged on, or an option that none of them listens to.
    """
    from ..evaluation.presence.presence_domains import GIVEN, POSED, read_domains

    domains = read_domains(asked, folders)
    if not set(domains) - set(GIVEN):
        refuse_given(context, ("scenes",), "is for generated domains; leave it out")
    if not set(domains) & set(POSED):
        reason = f"is for domains {' and '.join(POSED)}; leave it out"
        refuse_given(context, ("rotation", "scale"), reason)
    return domains


def _lines(
    method: str, outcomes: DomainOutcomes, min_score: float | None, as_json: bool
) -> list[str]:
    """A line a domain and, of several, their means."""
    from ..evaluation.presence.presence_figures import (
        presence_line,
        presence_mean,
        presence_record,
    )

    records = [presence_record(method, name, ones, min_score) for name, ones in outcomes.items()]
    if len(records) > 1:
        records.append(presence_mean(records))
    return [json_line(one) if as_json else presence_line(one) for one in records]
