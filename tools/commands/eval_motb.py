"""``qatm eval motb``: how surely methods tell present objects from absent ones."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ..console import skipped
from .eval_shared import ComparisonFlags, PairsArgument, print_evaluation
from .option_groups import grouped


@grouped
def motb(
    context: typer.Context,
    folder: PairsArgument,
    *,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Chooses the absent objects.")] = 0,
    seeds: Annotated[
        int, typer.Option(metavar="N", min=1, help="So many seeds, and their mean.")
    ] = 1,
    comparison: ComparisonFlags,
) -> None:
    """Is the object there at all?

    Each pair is searched once as it is, and once for the template of another video. Precision,
    recall and false alarms of qatm are those of its own answer (score from .5); other methods get
    the threshold with the best F1 on these very data, which flatters them. A failure counts as a
    wrong answer. In protocol gt-size the window for an absent object has the size of the object
    that is there.

    Exit status: 0 evaluated, 2 wrong usage or no usable pair.
    """
    from ..evaluation.match.frame_pairs import usable_pairs
    from ..evaluation.match.match_evaluation import MatchEvaluation
    from ..evaluation.match.match_figures import motb_records
    from ..evaluation.match.match_files import plot_roc
    from ..evaluation.match.match_runs import Outcome, absent_tasks

    options = comparison.read(context)
    found = usable_pairs(folder, skipped)
    chosen = range(seed, seed + seeds)

    def records(method: str, protocol: str, outcomes: list[Outcome]) -> list[dict[str, Any]]:
        return motb_records(method, protocol, chosen, outcomes, len(found.problems))

    tasks = absent_tasks(found.pairs, chosen)
    evaluation = MatchEvaluation(tasks, options, records)
    print_evaluation(evaluation, len(tasks), comparison.as_json)
    if options.save is not None:
        evaluation.save("motb", options.save, plot_roc)
