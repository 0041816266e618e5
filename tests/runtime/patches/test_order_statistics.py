"""Quantiles are those of NumPy."""

import numpy as np
import pytest

from qatm.runtime.patches.order_statistics import quantiles


@pytest.mark.parametrize("count", [1, 2, 3, 60, 3001])
def test_quantiles_are_numpys(count: int) -> None:
    values = np.random.default_rng(count).normal(size=(count, 1)).astype(np.float32)
    shares = (0.0, 0.1, 0.5, 0.9, 1.0)
    assert quantiles(values, shares) == pytest.approx(np.quantile(values, shares), abs=1e-6)
