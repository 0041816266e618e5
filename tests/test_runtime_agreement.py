"""Rigid agreement equals a loop over shifts and patches."""

from __future__ import annotations

import numpy as np
import pytest
from oracle import cosine

from qatm.runtime.agreement import rigid_agreement

CHANNELS = 176


@pytest.mark.parametrize("masked", [False, True])
def test_rigid_agreement_equals_a_loop(masked: bool) -> None:
    generator = np.random.default_rng(2)
    footprint = np.ones((3, 4), np.float32)
    if masked:
        footprint[0, 1] = footprint[2, 3] = 0
    spread = np.geomspace(0.1, 20, CHANNELS)
    cells = (generator.normal(1, 1, (7, 9, CHANNELS)) * spread).astype(np.float32)
    near = cells[2:5, 3:7][footprint > 0]
    rows = (near + generator.normal(0, 0.3, near.shape) * spread).astype(np.float32)
    cells = np.ascontiguousarray(cells.transpose(2, 0, 1))
    flat = cells.reshape(CHANNELS, -1).T.astype(np.float64)
    rho = cosine(rows.astype(np.float64), flat).reshape(len(rows), 7, 9)
    places = [(y, x) for y in range(3) for x in range(4) if footprint[y, x]]
    agreement = rigid_agreement(rows, footprint, cells)
    assert agreement.shape == (5, 6)
    for y, x in np.ndindex(5, 6):
        expected = np.mean([rho[m, y + i, x + j] for m, (i, j) in enumerate(places)])
        assert agreement[y, x] == pytest.approx(expected, abs=1e-3)
    assert np.unravel_index(agreement.argmax(), agreement.shape) == (2, 3)
