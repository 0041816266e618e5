"""Doing an evaluation of trackers: run them over videos, and put what they said together."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ....runtime.errors import InputError, QatmError
from ...baselines.compared_tracker import ComparedTrackerOptions
from ...baselines.trackers import OURS, TRACKERS, names_asked, open_tracker
from ..processes import runner
from .absences import presence_videos
from .footage import AS_IT_IS, TestVideo, plain_video
from .sequences import TrackSequence
from .track_figures import mean_record
from .track_runs import Trace, TrackJob, run_job
from .track_variants import Choice, TrackVariant, track_variants

ALL = "all"


@dataclass(frozen=True)
class TrackEvaluation:
    """Trackers over videos.

    Attributes:
        variants: the trackers and how each is set up.
        threads: CPU threads of each.
        processes: videos followed at a time.
    """

    variants: tuple[TrackVariant, ...]
    threads: int
    processes: int

    def jobs(self, videos: Sequence[TestVideo]) -> list[TrackJob]:
        """The work, video by video, so that a noisy machine disturbs all trackers alike."""
        return [TrackJob(one, video) for video in videos for one in self.variants]

    def run(
        self,
        jobs: Sequence[TrackJob],
        each: Callable[[Sequence[TrackJob], str], Iterator[TrackJob]],
    ) -> Generator[Trace, None, None]:
        """Let the trackers follow the videos.

        Args:
            jobs: the work.
            each: goes through the jobs and shows how far it is.
        """
        with runner(self.processes, self.threads) as run:
            # The bar moves on when the next job is asked for, so its trace comes first.
            for trace, _ in zip(run(run_job, jobs), each(jobs, "following"), strict=False):
                yield trace

    def by_tracker(self, traces: Sequence[Trace]) -> dict[str, list[Trace]]:
        """The traces of each tracker, without videos that could not be read.

        Test videos that were made of a sequence that cannot be read go with it.

        Raises:
            InputError: none is left.
        """
        without = unreadable_sequences(traces)
        kept = [t for t in traces if not t.unreadable and t.video.name not in without]
        if not kept:
            raise InputError(
                f"none of the sequences can be read to the end ({len(without)} skipped)"
            )
        return {
            one.label: [trace for trace in kept if trace.tracker == one.label]
            for one in self.variants
        }

    def mean_records(self, results: dict[str, list[Trace]], skipped: int) -> list[dict[str, Any]]:
        """The means of each tracker; ``skipped`` sequences could not be used."""
        records = [
            mean_record(traces, skipped, self.threads, self.processes)
            for traces in results.values()
        ]
        for record, one in zip(records, self.variants, strict=True):
            if one.tracker == OURS and one.options.recipe:
                record["settings"] = dict(one.options.recipe)
        return records


def make_videos(
    sequences: Sequence[TrackSequence], skipped: Callable[[str], None], seed: int | None = None
) -> list[TestVideo]:
    """What is to be followed: the sequences and, with a seed, ones in which the object goes away.

    Args:
        sequences: as they are.
        skipped: told why a sequence gives no video of the latter kind.
        seed: chooses when the object goes away.
    """
    videos = [plain_video(sequence) for sequence in sequences]
    if seed is not None:
        made, problems = presence_videos(sequences, seed)
        for problem in problems:
            skipped(problem)
        videos += made
    return videos


def unreadable_sequences(traces: Sequence[Trace]) -> set[str]:
    """Names of the sequences that could not be read to the end."""
    return {t.video.name for t in traces if t.unreadable and t.video.kind == AS_IT_IS}


def tracker_names(wanted: Sequence[str]) -> list[str]:
    """The trackers that are meant.

    Raises:
        InputError: none is named, or an unknown one.
    """
    asked, everything = names_asked(wanted, ALL)
    return list(TRACKERS) if everything else asked


def usable_variants(
    wanted: Sequence[str],
    options: ComparedTrackerOptions,
    choice: Choice | None,
    left_out: Callable[[str], None],
) -> tuple[TrackVariant, ...]:
    """The trackers asked for, each opened once to see that it works.

    Args:
        wanted: names, also several in one, separated by commas.
        options: what they are opened with.
        choice: values of a setting with which ours is run.
        left_out: told of each of ``all`` that cannot run here, and why.

    Raises:
        QatmError: a tracker asked for by its name is unknown or cannot run here, or has no such
            setting.
    """
    asked, _ = names_asked(wanted, ALL)
    usable: list[TrackVariant] = []
    for variant in track_variants(tracker_names(wanted), options, choice):
        try:
            open_tracker(variant.tracker, variant.options).close()
        except QatmError as error:
            if variant.tracker in asked or (variant.tracker == OURS and variant.options.recipe):
                raise
            left_out(f"{variant.tracker} is left out: {error}")
        else:
            usable.append(variant)
    return tuple(usable)
