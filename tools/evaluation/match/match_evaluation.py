"""Doing an evaluation: run the variants, print the lines of the table, save the details."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ...commands.eval_options import EvaluationOptions
from ...console import complain, json_line, print_line, progress
from .match_runs import Chunk, MatchTask, Outcome, run_chunk, runner, split
from .variants import ABLATION, OURS, PLAIN, Variant

Record = dict[str, Any]
Results = dict[str, list[Outcome]]
"""Label of a variant -> its outcomes, in the order of the tasks."""


def evaluate(
    name: str,
    tasks: Sequence[MatchTask],
    options: EvaluationOptions,
    records_of: Callable[[str, str, list[Outcome]], list[Record]],
    plot: Callable[[Path, Results, Sequence[str]], None],
) -> Results:
    """Run the variants, print their records for each protocol, and save the details.

    Args:
        name: of the evaluation, for the names of files.
        tasks: are done with each variant.
        options: what was asked for.
        records_of: makes the records of a method's name, a protocol and its outcomes.
        plot: draws the curves into a file.
    """
    from .match_figures import BEST_F1, table_head, table_line

    start = time.perf_counter()
    results: Results = {variant.label: [] for variant in options.variants}
    maps = options.save is not None
    chunks = split(options.variants, tasks, options.protocols, maps=maps, together=options.ablation)
    first, flattered = True, False
    with runner(options.processes) as run, progress(chunks, "evaluating") as (items, emit):
        # The bar moves on when the next chunk is asked for, so its results come first.
        for outcomes, chunk in zip(run(run_chunk, chunks), items, strict=False):
            done = _collect(results, chunk, outcomes, emit)
            if len(done) < len(tasks):
                continue
            for protocol in options.protocols:
                for record in records_of(chunk.variant.method, protocol, done):
                    line = _described(record, chunk.variant, results, options)
                    if first and not options.as_json:
                        emit(table_head(line))
                    first = False
                    flattered |= line.get("threshold_from") == BEST_F1
                    emit(json_line(line) if options.as_json else table_line(line))
    if not options.as_json:
        if flattered:
            print_line(f"* at the threshold with the {BEST_F1}")
        print_line(f"{len(tasks)} searches a method in {time.perf_counter() - start:.0f} s")
    if options.save is not None:
        _save(name, options.save, results, options.protocols, plot)
    return results


def print_halves(results: Results, options: EvaluationOptions, halves: int) -> None:
    """Print what choosing each idea on half of the videos means on the other half."""
    from .halves import half_lines, half_records

    records = half_records(results, OURS, tuple(ABLATION), options.protocols, halves)
    for line in [json_line(r) for r in records] if options.as_json else half_lines(records):
        print_line(line)


def _described(
    record: Record, variant: Variant, results: Results, options: EvaluationOptions
) -> Record:
    """A record with what was changed in the recipe, and its time against the plain recipe."""
    from .match_figures import time_ratio

    if options.ablation:
        record["variant"] = variant.label
        record["time_ratio"] = time_ratio(results[variant.label], results[PLAIN])
    if variant.setup.recipe:
        record["recipe"] = dict(variant.setup.recipe)
    return record


def _collect(
    results: Results, chunk: Chunk, outcomes: Sequence[Outcome], emit: Callable[..., None]
) -> list[Outcome]:
    """Add the outcomes of a chunk, name the failures, and return the variant's so far."""
    for outcome in outcomes:
        if outcome.error:
            emit(f"{outcome.method} failed with {outcome.task.name}: {outcome.error}", complain)
    results[chunk.variant.label] += outcomes
    return results[chunk.variant.label]


def _save(
    name: str,
    folder: Path,
    results: Results,
    protocols: Sequence[str],
    plot: Callable[[Path, Results, Sequence[str]], None],
) -> None:
    """Write the details of an evaluation into a folder."""
    from ...drawing.saving import save_picture
    from .contact_sheet import contact_sheet, worst
    from .match_files import write_csv

    write_csv(folder / f"{name}-pairs.csv", results, protocols)
    plot(folder / f"{name}-curves.png", results, protocols)
    for label, outcomes in results.items():
        slug = re.sub(r"[^a-z0-9]+", "-", label)
        for protocol in protocols:
            sheet = contact_sheet(worst(outcomes, protocol), protocol)
            save_picture(folder / f"{name}-worst-{slug}-{protocol}.jpg", sheet)
