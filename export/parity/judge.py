"""What is allowed to differ by how much, and the comparison of two implementations' results."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.bundle.sidecar import FLAVOURS
from ...runtime.errors import first_line
from .runners import Arrays, Runner

Array = NDArray[Any]

RELATIVE, ABSOLUTE, PIXELS = "of the largest", "absolute", "px"

RMS = "of the RMS"
"""Unit of an error over all values: root mean square of the differences over that of the values."""


@dataclass(frozen=True)
class Tolerance:
    """The largest difference allowed.

    Attributes:
        what: the kind of quantity compared.
        precision: of the file.
        limit: the largest error that passes.
        unit: what the error is measured in.
    """

    what: str
    precision: str
    limit: float
    unit: str


TOLERANCES = (
    Tolerance("features", "fp32", 5e-5, RELATIVE),
    Tolerance("quality", "fp32", 1e-4, ABSOLUTE),
    Tolerance("fit", "fp32", 2e-4, ABSOLUTE),
    Tolerance("likeness", "fp32", 1e-5, ABSOLUTE),
    Tolerance("pairs", "fp32", 5e-5, RELATIVE),
    Tolerance("score", "fp32", 1e-5, ABSOLUTE),
    Tolerance("box", "fp32", 0.01, PIXELS),
    Tolerance("features", "fp16", 2e-2, RELATIVE),
    Tolerance("quality", "fp16", 0.02, ABSOLUTE),
    Tolerance("score", "fp16", 2e-3, ABSOLUTE),
    Tolerance("box", "fp16", 0.2, PIXELS),
    *(
        tolerance
        for precision in ("int8-cpu", "int8-trt")
        for tolerance in (
            Tolerance("features", precision, 0.4, RMS),
            Tolerance("quality", precision, 0.4, RMS),
            Tolerance("score", precision, 0.05, ABSOLUTE),
            Tolerance("box", precision, 2.0, PIXELS),
        )
    ),
)
"""For FP32 about ten times the largest error seen with the known backbones on photographs.

INT8 clips what lies outside the range of the pictures that it was calibrated with, so that a single
value may be off by most of its size: all values count together. Of pictures of many kinds the error
is .05 to .12 of the RMS, of a single place, seen by one camera, up to .31.
"""

KINDS = MappingProxyType(
    {
        "tap": "features",
        "coarse": "features",
        "joined": "features",
        "contested": "quality",
        "alone": "quality",
        "likelihood": "fit",
        "similarity": "fit",
    }
)
"""Kinds of quantities, by the names of outputs without a number; others are kinds themselves."""

AXES = MappingProxyType(
    {
        "features": ("picture", "channel", "row", "column"),
        "quality": ("row", "column"),
        "fit": ("shift",),
        "likeness": ("shift",),
        "pairs": ("patch", "cell"),
    }
)
"""What the dimensions of each kind are called."""

QUALITIES = ("contested", "alone", "quality")
"""Maps that matching gives."""

EQUAL = 1e-4
"""Windows whose responses are closer than this are equally good."""


@dataclass(frozen=True)
class Deviation:
    """One quantity of one file, computed twice.

    Attributes:
        artefact: file in the bundle; ``features.onnx + match.onnx`` is the chain of both.
        precision: of that file.
        what: an output of the graph; ``joined``, the map that all taps stand for; or of the best
            window: ``score``, the mean root of the quality in it, or ``box``.
        reference: the implementation that is believed.
        candidate: the implementation that is checked.
        size: of the pictures and the template, height x width in pixels.
        error: the largest difference; infinite where there is no result to compare.
        tolerance: the largest error that passes.
        unit: of error and tolerance.
        where: the place of the largest error, or why there is no result.
    """

    artefact: str
    precision: str
    what: str
    reference: str
    candidate: str
    size: str
    error: float
    tolerance: float
    unit: str
    where: str

    @property
    def passed(self) -> bool:
        """Whether the error is within the tolerance; NaN is not."""
        return self.error <= self.tolerance

    @property
    def badness(self) -> float:
        """The error in tolerances: above 1 fails; infinite for NaN."""
        return math.inf if math.isnan(self.error) else self.error / self.tolerance

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON; an error that is not a finite number becomes ``None``."""
        error = self.error if math.isfinite(self.error) else None
        return {**vars(self), "error": error, "passed": self.passed}


def ran_on(device: str, precision: str) -> str:
    """What is judged where the features run on something else than a CPU."""
    kind = "features engine" if device in FLAVOURS else f"features on {device}"
    return f"{kind}, {precision}"


def kind_of(what: str) -> str:
    """The kind of quantity that an output is, which decides what may differ."""
    name = what.rstrip("0123456789")
    return KINDS.get(name, name)


def has_tolerances(precision: str) -> bool:
    """Whether files of a precision can be judged."""
    return any(row.precision == precision for row in TOLERANCES)


def _rms(values: Array) -> float:
    """Root mean square."""
    return math.sqrt(float(np.square(values, dtype=np.float64).mean()))


def attempt(call: Callable[[], Arrays]) -> Arrays | str:
    """The results of an implementation, or the first line of why it has none."""
    try:
        return call()
    except Exception as error:  # every runtime has exceptions of its own
        return first_line(error)


@dataclass(frozen=True)
class Judge:
    """Compares the results for one file and one case.

    Attributes:
        artefact: what is judged.
        precision: whose tolerances count.
        size: of the case, for people.
        reference: name of the implementation that is believed.
    """

    artefact: str
    precision: str
    size: str
    reference: str

    def array(self, what: str, candidate: str, found: Arrays | str, expected: Arrays) -> Deviation:
        """Compare one array, value by value."""
        truth = expected[what]
        if isinstance(found, str):
            return self._verdict(what, candidate, math.inf, f"did not run: {found}")
        if found[what].shape != truth.shape:
            reason = f"shape {found[what].shape} instead of {truth.shape}"
            return self._verdict(what, candidate, math.inf, reason)
        with np.errstate(invalid="ignore"):
            difference = np.abs(found[what] - truth)
        worst = np.unravel_index(int(difference.argmax()), difference.shape)
        place = ", ".join(f"{axis} {i}" for axis, i in zip(AXES[kind_of(what)], worst, strict=True))
        error, unit = float(difference[worst]), self._tolerance(what).unit
        if unit == RELATIVE:
            error /= float(np.abs(truth).max()) or 1.0
        if unit == RMS:
            error = _rms(difference) / (_rms(truth) or 1.0)
        return self._verdict(what, candidate, error, place)

    def windows(
        self, runner: Runner, found: Arrays | str, expected: Arrays, cell: int
    ) -> Iterator[Deviation]:
        """Compare the quality maps, and the best window where the candidate has one.

        Args:
            runner: the candidate.
            found: what it returned.
            expected: what the reference returned.
            cell: pixels per unit of the boxes.
        """
        name = runner.name
        for what in QUALITIES:
            if what in expected:
                yield self.array(what, name, found, expected)
        if isinstance(found, str) or "boxes" not in found:
            return
        responses = float(found["scores"][0]), float(expected["scores"][0])
        error = abs(responses[0] - responses[1])
        text = f"responses {responses[0]:.6f} and {responses[1]:.6f}"
        yield self._verdict("score", name, error, text)
        best = found["boxes"][found["scores"] >= found["scores"][0] - EQUAL]
        shifts = np.abs(best - expected["boxes"][0]).max(1) * cell
        if not len(shifts):
            yield self._verdict("box", name, math.nan, "no window")
            return
        x, y = (float(side) * cell for side in expected["boxes"][0][:2])
        yield self._verdict("box", name, float(shifts.min()), f"window at x {x:.1f}, y {y:.1f}")

    def _tolerance(self, what: str) -> Tolerance:
        key = kind_of(what), self.precision
        return next(row for row in TOLERANCES if (row.what, row.precision) == key)

    def _verdict(self, what: str, candidate: str, error: float, where: str) -> Deviation:
        limit = self._tolerance(what)
        return Deviation(
            artefact=self.artefact,
            precision=self.precision,
            what=what,
            reference=self.reference,
            candidate=candidate,
            size=self.size,
            error=error,
            tolerance=limit.limit,
            unit=limit.unit,
            where=where,
        )
