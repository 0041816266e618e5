"""How much of a signal quantisation leaves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

NOISELESS = 200.0
"""dB, reported where there is no difference at all."""


def sqnr(signal: Sequence[Array], other: Sequence[Array]) -> float:
    """Ratio of the power of some arrays to that of their difference from others, in dB.

    It lies between plus and minus :data:`NOISELESS`; values that are not finite give the least.
    """
    power = sum(float(np.square(a, dtype=np.float64).sum()) for a in signal)
    noise = sum(
        float(np.square(a.astype(np.float64) - b).sum()) for a, b in zip(signal, other, strict=True)
    )
    if noise == 0:
        return NOISELESS
    if power == 0 or not np.isfinite(noise):
        return -NOISELESS
    return float(np.clip(10 * np.log10(power / noise), -NOISELESS, NOISELESS))
