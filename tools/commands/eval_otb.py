"""``qatm eval otb``: how exactly methods find objects in pairs of frames."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ...runtime.errors import InputError
from ..console import json_line, print_line, skipped
from .eval_shared import ComparisonFlags, PairsArgument, print_evaluation
from .option_groups import grouped


@grouped
def otb(
    context: typer.Context,
    folder: PairsArgument,
    *,
    comparison: ComparisonFlags,
    ablation: Annotated[
        bool,
        typer.Option(
            "--ablation",
            help="Compare the plain recipe, the default one, and the default one with each idea "
            "switched off; 'time' is the time a pair against the plain recipe.",
        ),
    ] = False,
    halves: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=0,
            help="With --ablation: divide the videos N times at random, choose each idea on one "
            "half, and say what the choice gains on the other.",
        ),
    ] = 0,
) -> None:
    """How exactly is the object found?

    AUC is the mean success rate at IoU thresholds 0, .05 ... .95. Unusable pairs are named and
    left out; a pair that a method cannot handle counts with an IoU of 0.

    Exit status: 0 evaluated, 2 wrong usage or no usable pair.
    """
    from ..evaluation.match.frame_pairs import usable_pairs
    from ..evaluation.match.halves import half_lines
    from ..evaluation.match.match_evaluation import MatchEvaluation
    from ..evaluation.match.match_figures import otb_record
    from ..evaluation.match.match_files import plot_success
    from ..evaluation.match.match_runs import Outcome, present_tasks

    if halves and not ablation:
        raise InputError("--halves chooses between variants; give --ablation too")
    options = comparison.read(context, ablation=ablation)
    found = usable_pairs(folder, skipped)

    def records(method: str, protocol: str, outcomes: list[Outcome]) -> list[dict[str, Any]]:
        return [otb_record(method, protocol, outcomes, len(found.problems))]

    tasks = present_tasks(found.pairs)
    evaluation = MatchEvaluation(tasks, options, records)
    print_evaluation(evaluation, len(tasks), comparison.as_json)
    if options.save is not None:
        evaluation.save("otb", options.save, plot_success)
    if halves:
        choices = evaluation.halves(halves)
        as_json = comparison.as_json
        for line in map(json_line, choices) if as_json else half_lines(choices):
            print_line(line)
