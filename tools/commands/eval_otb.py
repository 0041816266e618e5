"""``qatm eval``: compare methods on folders of pairs with known answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ...runtime.errors import InputError
from ..console import Group, complain
from ..evaluation.match.frame_pairs import FramePair, PairFolder, read_pairs, strangers
from ..evaluation.match.match_evaluation import evaluate, print_halves
from ..evaluation.match.match_runs import MatchTask, Outcome
from .eval_align import align
from .eval_options import (
    DeviceOption,
    Folder,
    JsonOption,
    MethodOption,
    ProcessesOption,
    ProtocolOption,
    SaveOption,
    SetOption,
    WeightsOption,
    read_options,
)
from .eval_track import track
from .eval_verify import verify
from .model_options import Device, ModelOption

eval_app = typer.Typer(
    name="eval",
    cls=Group,
    no_args_is_help=False,
    help="Compare methods on pairs of frames, and trackers on sequences, with known answers.",
)


@eval_app.command("otb")
def otb(
    folder: Folder,
    *,
    method: MethodOption = None,
    model: ModelOption = None,
    device: DeviceOption = Device.auto,
    weights: WeightsOption = None,
    protocol: ProtocolOption = None,
    as_json: JsonOption = False,
    save: SaveOption = None,
    processes: ProcessesOption = None,
    settings: SetOption = None,
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
    from ..evaluation.match.match_figures import otb_record
    from ..evaluation.match.match_files import plot_success

    if halves and not ablation:
        raise InputError("--halves chooses between variants; give --ablation too")
    where = (model, device, weights)
    options = read_options(method, protocol, where, processes, as_json, save, settings, ablation)
    found = usable_pairs(folder)
    tasks = [MatchTask(pair.name, pair.video, pair.template, pair.search) for pair in found.pairs]

    def records(name: str, protocol: str, outcomes: list[Outcome]) -> list[dict[str, Any]]:
        return [otb_record(name, protocol, outcomes, len(found.problems))]

    results = evaluate("otb", tasks, options, records, plot_success)
    if halves:
        print_halves(results, options, halves)


@eval_app.command("motb")
def motb(
    folder: Folder,
    *,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Chooses the absent objects.")] = 0,
    seeds: Annotated[
        int,
        typer.Option(metavar="N", min=1, help="So many seeds, and their mean."),
    ] = 1,
    method: MethodOption = None,
    model: ModelOption = None,
    device: DeviceOption = Device.auto,
    weights: WeightsOption = None,
    protocol: ProtocolOption = None,
    as_json: JsonOption = False,
    save: SaveOption = None,
    processes: ProcessesOption = None,
    settings: SetOption = None,
) -> None:
    """Is the object there at all?

    Each pair is searched once as it is, and once for the template of another video. Precision,
    recall and false alarms of qatm are those of its own answer (score from .5); other methods get
    the threshold with the best F1 on these very data, which flatters them. A failure counts as a
    wrong answer. In protocol gt-size the window for an absent object has the size of the object
    that is there.

    Exit status: 0 evaluated, 2 wrong usage or no usable pair.
    """
    from ..evaluation.match.match_figures import motb_records
    from ..evaluation.match.match_files import plot_roc

    where = (model, device, weights)
    options = read_options(method, protocol, where, processes, as_json, save, settings)
    found = usable_pairs(folder)

    chosen = range(seed, seed + seeds)

    def records(name: str, protocol: str, outcomes: list[Outcome]) -> list[dict[str, Any]]:
        return motb_records(name, protocol, chosen, outcomes, len(found.problems))

    evaluate("motb", _with_absent(found.pairs, chosen), options, records, plot_roc)


def _with_absent(pairs: Sequence[FramePair], seeds: Sequence[int]) -> list[MatchTask]:
    """Each pair as it is and, for each seed, with the template of another video.

    Raises:
        InputError: all pairs are of one video.
    """
    absent = [strangers(pairs, seed) for seed in seeds]
    tasks: list[MatchTask] = []
    for pair, *others in zip(pairs, *absent, strict=True):
        tasks.append(MatchTask(pair.name, pair.video, pair.template, pair.search))
        for seed, other in zip(seeds, others, strict=True):
            if other is None:
                raise InputError(
                    f"all pairs are of video {pair.video!r}; absent objects need pairs of another "
                    "one"
                )
            tasks.append(MatchTask(pair.name, pair.video, other.template, pair.search, False, seed))
    return tasks


def usable_pairs(folder: Path) -> PairFolder:
    """The pairs of a folder; says on stderr which are skipped.

    Raises:
        InputError: none is usable.
    """
    found = read_pairs(folder)
    for problem in found.problems:
        complain(f"skipped {problem}")
    if not found.pairs:
        raise InputError(f"{folder} holds no usable pair ({len(found.problems)} skipped)")
    return found


eval_app.command("track")(track)
eval_app.command("align")(align)
eval_app.command("verify")(verify)
