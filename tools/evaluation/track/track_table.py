"""The lines of the tables of ``qatm eval track``, for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .track_figures import Record, mean_titles

NARROWEST = 11
"""Letters of the column of trackers."""

PRESENCE_NOTE = (
    "noticed, refound: within 10 frames of the object's going and coming; medians: frames until "
    "then; lost: share of the later absent frames reported lost"
)


@dataclass(frozen=True)
class TrackTable:
    """How wide the first two columns are.

    Attributes:
        tracker: letters of the longest name of a tracker.
        sequence: of the longest name of a sequence.
    """

    tracker: int
    sequence: int

    @classmethod
    def of(cls, trackers: Sequence[str], sequences: Sequence[str]) -> TrackTable:
        """Wide enough for these names, and for the titles of their means."""
        names = [*sequences, *mean_titles(sequences)]
        return cls(max(NARROWEST, *map(len, trackers)), max(map(len, names)))

    def head(self) -> str:
        """The names of the columns of :meth:`line`."""
        names = self._names("tracker", "sequence")
        return f"{names}  AUC    prec20  nprec  {'fps':>7}  {'frames':>6}"

    def line(self, record: Record) -> str:
        """The figures of a sequence, or means."""
        fps = "-" if record["fps"] is None else f"{record['fps']:.1f}"
        return (
            f"{self._names(record['tracker'], record['sequence'])}  {record['auc']:.3f}  "
            f"{record['precision20']:.3f}   {record['normalised_precision']:.3f}  {fps:>7}  "
            f"{record['frames']:>6}"
        )

    def attribute_lines(self, means: Sequence[Record]) -> list[str]:
        """Mean AUC over the sequences with each attribute, a line a tracker; none without any.

        Args:
            means: of the trackers.
        """
        counts = {name: entry["sequences"] for name, entry in means[0]["attributes"].items()}
        if not counts:
            return []
        titles = [f"{name} ({count})" for name, count in counts.items()]
        lines = [f"{'AUC where':<{self.tracker}}  {'  '.join(titles)}"]
        for record in means:
            aucs = [entry["auc"] for entry in record["attributes"].values()]
            cells = [f"{auc:<{len(title)}.3f}" for auc, title in zip(aucs, titles, strict=True)]
            lines.append(f"{record['tracker']:<{self.tracker}}  {'  '.join(cells)}".rstrip())
        return lines

    def time_lines(self, means: Sequence[Record]) -> list[str]:
        """Median time of a tracked and of a lost frame, of the trackers that were ever lost."""
        lines = [
            f"{record['tracker']:<{self.tracker}}  {_number(record['tracked_ms']):>11}  "
            f"{_number(record['lost_ms']):>8}"
            for record in means
            if record["lost_ms"] is not None
        ]
        return lines and [f"{'mean ms':<{self.tracker}}  {'not lost':>11}  {'lost':>8}", *lines]

    def presence_lines(self, means: Sequence[Record]) -> list[str]:
        """What the trackers knew about presence: shares, and medians in frames.

        Args:
            means: of the trackers; nothing is said of those without test videos for it.
        """
        lines = [self._presence_line(record) for record in means if "losses" in record]
        head = (
            f"{'tracker':<{self.tracker}}  {'losses':>6}  {'noticed':>7}  {'refound':>7}  "
            f"{'median':>6}  {'median':>6}  {'lost':>5}  false alarms"
        )
        return lines and [head, *lines, PRESENCE_NOTE]

    def left_out_lines(self, records: Sequence[Record]) -> list[str]:
        """What the value that is best elsewhere is worth on each source, and the means of that."""
        (setting,) = records[0]["chosen"]
        lines = [f"{'left out':<{self.sequence}}  {setting}  AUC    sequences"]
        for record in records:
            chosen = f"{record['chosen'][setting]:g}" if "chosen" in record else ""
            lines.append(
                f"{record['left_out']:<{self.sequence}}  {chosen:>{len(setting)}}  "
                f"{record['auc']:.3f}  {record['sequences']:>9}"
            )
        return lines

    def _presence_line(self, record: Record) -> str:
        shares = [_share(record[name]) for name in ("noticed10", "refound10")]
        medians = [
            "-" if record[name] is None else str(record[name])
            for name in ("frames_to_notice", "frames_to_refind")
        ]
        return (
            f"{record['tracker']:<{self.tracker}}  {record['losses']:>6}  {shares[0]:>7}  "
            f"{shares[1]:>7}  {medians[0]:>6}  {medians[1]:>6}  "
            f"{_share(record['lost_while_away']):>5}  {_share(record['false_alarms'])}"
        )

    def _names(self, tracker: str, sequence: str) -> str:
        return f"{tracker:<{self.tracker}}  {sequence:<{self.sequence}}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}%"
