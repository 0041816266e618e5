"""The small network that weighs what speaks for a box."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..kinds import Numeric

Array = NDArray[Any]

FARTHEST: Numeric[float] = 4.0
"""Deviations from the mean beyond which evidence counts as if it were there: the network saw no
more of it."""


@dataclass(frozen=True, eq=False)
class JudgeNetwork:
    """One hidden layer: ``output @ tanh(hidden @ evidence)``, evidence standardised, with offsets.

    Attributes:
        centre: ``(E,)`` mean of each piece of evidence.
        spread: ``(E,)`` its standard deviation.
        hidden: ``(H, E + 1)``, the last column added to the others' sums.
        output: ``(H + 1,)``, the last one the same.
    """

    centre: Array
    spread: Array
    hidden: Array
    output: Array

    @classmethod
    def of(
        cls,
        centre: tuple[float, ...],
        spread: tuple[float, ...],
        hidden: tuple[float, ...],
        output: tuple[float, ...],
    ) -> JudgeNetwork:
        """From plain numbers, ``hidden`` row by row.

        Raises:
            InputError: they do not fit together, or a spread is zero.
        """
        count, units = len(centre), len(output) - 1
        if len(spread) != count or len(hidden) != units * (count + 1) or units < 1:
            raise InputError(
                f"a judge of {count} pieces of evidence with {units} units has {count} spreads and "
                f"{units * (count + 1)} hidden weights, not {len(spread)} and {len(hidden)}"
            )
        if min(spread) <= 0:
            raise InputError("a spread of the judge's evidence is 0; give what is above")
        weights = np.reshape(np.array(hidden), (units, count + 1))
        return cls(np.array(centre), np.array(spread), weights, np.array(output))

    def odds(self, evidence: Array) -> Array:
        """Log-odds ``(N,)`` that boxes are right.

        Args:
            evidence: ``(N, E)``.

        Raises:
            InputError: another number of pieces of evidence.
        """
        if evidence.shape[1] != len(self.centre):
            raise InputError(
                f"{evidence.shape[1]} pieces of evidence for a judge of {len(self.centre)}"
            )
        standard = np.clip((evidence - self.centre) / self.spread, -FARTHEST, FARTHEST)
        inner = np.tanh(standard @ self.hidden[:, :-1].T + self.hidden[:, -1])
        return inner @ self.output[:-1] + self.output[-1]
