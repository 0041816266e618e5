"""Doing an evaluation of methods: run the variants, make the records, save the details."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ...drawing.saving import save_picture
from ..processes import runner
from .contact_sheet import contact_sheet, worst
from .halves import half_records
from .match_figures import time_ratio
from .match_files import write_csv
from .match_options import EvaluationOptions
from .match_runs import Chunk, MatchTask, Outcome, run_chunk, split
from .variants import ABLATION, OURS, PLAIN, Variant

Record = dict[str, Any]
Results = dict[str, list[Outcome]]
"""Label of a variant -> its outcomes, in the order of the tasks."""


class Advance(NamedTuple):
    """What a chunk of work brought: tasks that failed, in words, and records that are complete."""

    failures: list[str]
    records: list[Record]


class RecordMaker(Protocol):
    """Makes the records of a method in one protocol."""

    def __call__(self, method: str, protocol: str, outcomes: list[Outcome]) -> list[Record]:
        """From the name of the method and all of its outcomes."""
        ...


class MatchEvaluation:
    """Searches with several variants of methods.

    Args:
        tasks: are done with each variant.
        options: what was asked for.
        records_of: makes the records.

    Attributes:
        results: what became of the tasks so far.
    """

    def __init__(
        self, tasks: Sequence[MatchTask], options: EvaluationOptions, records_of: RecordMaker
    ) -> None:
        self.results: Results = {variant.label: [] for variant in options.variants}
        self._tasks = tasks
        self._options = options
        self._records_of = records_of

    def run(
        self, each: Callable[[Sequence[Chunk], str], Iterator[Chunk]]
    ) -> Generator[Advance, None, None]:
        """Do the work piece by piece.

        Args:
            each: goes through the pieces and shows how far it is.
        """
        options = self._options
        maps = options.save is not None
        chunks = split(
            options.variants, self._tasks, options.protocols, maps=maps, together=options.ablation
        )
        with runner(options.processes) as run:
            # The bar moves on when the next chunk is asked for, so its results come first.
            steps = zip(run(run_chunk, chunks), each(chunks, "evaluating"), strict=False)
            for outcomes, chunk in steps:
                yield self._step(chunk, outcomes)

    def halves(self, count: int) -> list[Record]:
        """What choosing each idea on half of the videos means on the other half."""
        return half_records(self.results, OURS, tuple(ABLATION), self._options.protocols, count)

    def save(
        self, name: str, folder: Path, plot: Callable[[Path, Results, Sequence[str]], None]
    ) -> None:
        """Write every search, the curves and contact sheets.

        Args:
            name: of the evaluation, which the names of files begin with.
            folder: made if missing.
            plot: draws the curves into a file.
        """
        protocols = self._options.protocols
        folder.mkdir(parents=True, exist_ok=True)
        write_csv(folder / f"{name}-pairs.csv", self.results, protocols)
        plot(folder / f"{name}-curves.png", self.results, protocols)
        for label, outcomes in self.results.items():
            slug = re.sub(r"[^a-z0-9]+", "-", label)
            for protocol in protocols:
                sheet = contact_sheet(worst(outcomes, protocol), protocol)
                save_picture(folder / f"{name}-worst-{slug}-{protocol}.jpg", sheet)

    def _step(self, chunk: Chunk, outcomes: Sequence[Outcome]) -> Advance:
        """Take the outcomes of a chunk; a variant that is done gives its records."""
        failures = [
            f"{outcome.method} failed with {outcome.task.name}: {outcome.error}"
            for outcome in outcomes
            if outcome.error
        ]
        done = self.results[chunk.variant.label]
        done += outcomes
        if len(done) < len(self._tasks):
            return Advance(failures, [])
        records = [
            self._described(record, chunk.variant)
            for protocol in self._options.protocols
            for record in self._records_of(chunk.variant.method, protocol, done)
        ]
        return Advance(failures, records)

    def _described(self, record: Record, variant: Variant) -> Record:
        """A record with what was changed in the recipe, and its time against the plain recipe."""
        if self._options.ablation:
            record["variant"] = variant.label
            record["time_ratio"] = time_ratio(self.results[variant.label], self.results[PLAIN])
        if variant.options.recipe:
            record["recipe"] = dict(variant.options.recipe)
        return record
