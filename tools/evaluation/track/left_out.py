"""Choosing a setting without the source that it is judged on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from ....runtime.errors import InputError
from ...baselines.trackers import OURS
from .sequences import source_of
from .track_figures import MEAN, MEAN_OF_SOURCES, Record
from .track_variants import Choice


def check_sources(sequences: Sequence[str]) -> None:
    """See that a source can be left out.

    Args:
        sequences: their names.

    Raises:
        InputError: all are of one source.
    """
    sources = sorted({source_of(name) for name in sequences})
    if len(sources) == 1:
        raise InputError(
            f"--choose leaves one source out, and all sequences are of {sources[0]}; give folders "
            "with sequences of others, named SOURCE_NAME in small letters"
        )


def left_out_records(choice: Choice, sequences: Sequence[Record]) -> list[Record]:
    """For each source the value that is best on the others, and what it is worth on this one.

    The best has the highest mean AUC over the sequences of the other sources; of equals, the one
    that was given first.

    Args:
        choice: the values that were compared.
        sequences: records of the sequences, of every value.

    Returns:
        A record a source, then the mean over the sources, then that over the sequences.

    Raises:
        InputError: all are of one source.
    """
    check_sources([record["sequence"] for record in sequences])
    found: dict[float, dict[str, list[float]]] = {value: {} for value in choice.values}
    for value, sources in found.items():
        for record in sequences:
            if record["tracker"] == choice.label(value):
                sources.setdefault(record["source"], []).append(record["auc"])
    records: list[Record] = []
    judged: dict[str, list[float]] = {}
    for source in found[choice.values[0]]:
        elsewhere = {value: _mean_without(source, sources) for value, sources in found.items()}
        best = max(choice.values, key=elsewhere.__getitem__)
        judged[source] = found[best][source]
        records.append(_record(source, judged[source]) | {"chosen": {choice.name: best}})
    means = [fmean(aucs) for aucs in judged.values()]
    every = [auc for aucs in judged.values() for auc in aucs]
    over_sources = _record(MEAN_OF_SOURCES, means) | {"sequences": len(every)}
    return [*records, over_sources, _record(MEAN, every)]


def _mean_without(left_out: str, sources: Mapping[str, Sequence[float]]) -> float:
    """The mean of the AUCs of all sources but one."""
    return fmean(auc for source, aucs in sources.items() if source != left_out for auc in aucs)


def _record(left_out: str, aucs: Sequence[float]) -> Record:
    """The mean of some AUCs."""
    return {
        "tracker": OURS,
        "left_out": left_out,
        "auc": round(fmean(aucs), 4),
        "sequences": len(aucs),
    }
