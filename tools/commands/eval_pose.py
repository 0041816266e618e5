"""``qatm eval pose``: how exactly methods find objects that lie turned and zoomed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..console import complain, json_line, refuse_given, skipped
from ..evaluation.pose.posed_pictures import Border
from ..evaluation.processes import usual_processes
from .option_groups import grouped
from .pose_flags import BorderOption, PoseFlags, PoseMethodFlags, print_searches


@grouped
def pose(
    context: typer.Context,
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="Folder of pairs as for qatm eval otb, or of a series img1 … imgN with "
            "homographies H1to2p …, or of such folders.",
            show_default=False,
        ),
    ],
    *,
    poses: PoseFlags,
    rigid: Annotated[
        bool,
        typer.Option(
            "--rigid",
            help="Of pairs: search the template's own frame, turned and zoomed, so that place, "
            "angle and scale are known exactly.",
        ),
    ] = False,
    crop: Annotated[
        bool,
        typer.Option("--crop", help="Give the methods cut-out templates, without surroundings."),
    ] = False,
    boxes: Annotated[
        int, typer.Option(metavar="N", min=1, help="Of a series: boxes for each picture.")
    ] = 12,
    border: BorderOption = Border.mean,
    methods: PoseMethodFlags,
) -> None:
    """How exactly is an object found that is turned, nearer or farther?

    The second frame of each pair is turned and zoomed about its object by amounts that the seed
    chooses; boxes of a series are drawn where the first picture shows enough. AUC and IoU are of
    the oriented outlines, at thresholds 0, .05 ... .95; an IoU above .5 is right. Errors of centre,
    angle and scale are medians over the right ones: against the turn itself, so that with pairs
    they hold what the object did between the frames; --rigid leaves nothing but the method's own.

    Exit status: 0 evaluated, 2 wrong usage or nothing usable.
    """
    from ..evaluation.pose.homography_series import series_folders
    from ..evaluation.pose.pose_evaluation import PoseEvaluation
    from ..evaluation.pose.pose_figures import POSE_NOTE, pose_head, pose_line, pose_record
    from ..evaluation.pose.pose_files import save_poses
    from ..evaluation.pose.pose_sources import PosePlan, pose_sources

    series = series_folders(folder)
    if series:
        refuse_given(context, ("rigid", "border"), f"is for pairs of frames; {folder} holds series")
    else:
        refuse_given(context, ("boxes",), "is for series with homographies; leave it out")
    asked = methods.read(context)
    usable = asked.usable(complain)
    plan = PosePlan(poses.span(), poses.seed, poses.every, rigid, crop, boxes, border)
    found = pose_sources(folder, series, plan, skipped)
    processes = methods.processes or usual_processes()
    evaluation = PoseEvaluation(found.tasks, usable, asked.options, processes)

    def lines(method: str) -> list[str]:
        record = pose_record(method, evaluation.outcomes[method], found.skipped)
        return [json_line(record) if methods.as_json else pose_line(record)]

    print_searches(evaluation, pose_head(), lines, POSE_NOTE, as_json=methods.as_json)
    if methods.save is not None:
        save_poses(methods.save, evaluation.outcomes)
