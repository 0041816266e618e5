"""Doing an evaluation of poses: what was asked for, checked, and the work piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ...baselines import MethodOptions
from ...baselines.poses import POSE_METHODS, open_pose_method
from ...inputs import split_names
from ..match.match_options import named_methods, usable_methods
from ..match.variants import OURS
from ..processes import runner
from .pose_runs import PoseOutcome, PosePiece, pose_pieces, run_piece
from .posed_pictures import PoseTask

Each = Callable[[Sequence[PosePiece], str], Iterator[PosePiece]]
"""Goes through the pieces and shows how far the work is."""


@dataclass(frozen=True)
class PoseMethods:
    """Which methods are compared.

    Attributes:
        asked: names, also several in one, separated by commas; ``all`` is every one that can run.
        options: model, device, threads and changed recipe.
    """

    asked: tuple[str, ...] = ()
    options: MethodOptions = field(default_factory=MethodOptions)

    def names(self) -> list[str]:
        """The methods that are meant.

        Raises:
            InputError: none, or an unknown one.
        """
        return named_methods(self.asked, POSE_METHODS, self.options)

    def usable(self, left_out: Callable[[str], None]) -> tuple[str, ...]:
        """The methods that can run here.

        Args:
            left_out: told of each of ``all`` methods that cannot.

        Raises:
            QatmError: one that was asked for by its name cannot.
        """
        by_name = split_names(self.asked or (OURS,))
        return usable_methods(self.names(), by_name, self.options, left_out, open_pose_method)


class PoseAdvance(NamedTuple):
    """What a piece of work brought: failures in words, and a method that is done, or nothing."""

    failures: list[str]
    done: str | None


class PoseEvaluation:
    """Searches with several methods.

    Args:
        tasks: are done with each method.
        methods: names.
        options: model, device and threads.
        processes: how many at once.

    Attributes:
        outcomes: by method, what became of the tasks so far.
    """

    def __init__(
        self,
        tasks: Sequence[PoseTask],
        methods: Sequence[str],
        options: MethodOptions,
        processes: int,
    ) -> None:
        self.outcomes: dict[str, list[PoseOutcome]] = {name: [] for name in methods}
        self._pieces = pose_pieces(methods, options, tasks)
        self._count = len(tasks)
        self._threads = options.threads or 1
        self._processes = processes

    def run(self, each: Each) -> Generator[PoseAdvance, None, None]:
        """Do the work piece by piece.

        Args:
            each: goes through the pieces.
        """
        with runner(self._processes, self._threads) as run:
            # The bar moves on when the next piece is asked for, so its outcomes come first.
            steps = zip(run(run_piece, self._pieces), each(self._pieces, "searching"), strict=False)
            for outcomes, piece in steps:
                done = self.outcomes[piece.method]
                done += outcomes
                failures = [
                    f"{piece.method} failed with {one.task.name}: {one.error}"
                    for one in outcomes
                    if one.error
                ]
                yield PoseAdvance(failures, piece.method if len(done) == self._count else None)
