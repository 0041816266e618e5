"""How windows fit a template equals loops over shifts, patches and cells."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from oracle import cosine

from qatm.runtime.patches.agreement import fit_windows, rigid_agreement
from qatm.runtime.patches.grid import PatchGrid
from qatm.runtime.patches.similarity import Comparison
from qatm.runtime.session import Session

CHANNELS = 176
ALPHA = 25.0


@pytest.fixture(scope="module", params=["graph", "numpy"])
def session(request: pytest.FixtureRequest) -> Iterator[Session]:
    """A session with the graph that places templates, and one without it."""
    with Session(device="cpu", threads=1) as opened:
        opened._places._present = request.param == "graph"
        yield opened


def problem(masked: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[tuple[int, int]]]:
    """Rows that match cells from (2, 3) on, their footprint, the cells, and the rows' places."""
    generator = np.random.default_rng(2)
    footprint = np.ones((3, 4), np.float32)
    if masked:
        footprint[0, 1] = footprint[2, 3] = 0
    spread = np.geomspace(0.1, 20, CHANNELS)
    cells = (generator.normal(1, 1, (7, 9, CHANNELS)) * spread).astype(np.float32)
    near = cells[2:5, 3:7][footprint > 0]
    rows = (near + generator.normal(0, 0.3, near.shape) * spread).astype(np.float32)
    places = [(y, x) for y in range(3) for x in range(4) if footprint[y, x]]
    return rows, footprint, np.ascontiguousarray(cells.transpose(2, 0, 1)), places


def similarities(rows: np.ndarray, cells: np.ndarray) -> np.ndarray:
    flat = cells.reshape(CHANNELS, -1).T.astype(np.float64)
    return cosine(rows.astype(np.float64), flat).reshape(len(rows), *cells.shape[1:])


@pytest.mark.parametrize("masked", [False, True])
def test_rigid_agreement_equals_a_loop(masked: bool) -> None:
    rows, footprint, cells, places = problem(masked)
    rho = similarities(rows, cells)
    compared = Comparison(rows, cells)
    agreement = rigid_agreement(compared, rows, footprint)
    assert agreement.shape == (5, 6)
    for y, x in np.ndindex(5, 6):
        expected = np.mean([rho[m, y + i, x + j] for m, (i, j) in enumerate(places)])
        assert agreement[y, x] == pytest.approx(expected, abs=1e-3)
    assert np.unravel_index(agreement.argmax(), agreement.shape) == (2, 3)


@pytest.mark.parametrize(("columns", "depth"), [(21, 4), (45, 4), (9, 4000)])
def test_rigid_agreement_of_wide_templates_and_many_channels(columns: int, depth: int) -> None:
    """Their products are cut into parts, of even widths or of one column."""
    generator = np.random.default_rng(5)
    cells = generator.normal(size=(depth, 4, columns + 3)).astype(np.float32)
    rows = np.ascontiguousarray(cells[:, 1:3, 2 : 2 + columns].reshape(depth, -1).T)
    compared = Comparison(rows, cells)
    agreement = rigid_agreement(compared, rows, np.ones((2, columns), np.float32))
    aligned = compared.aligned(rows)
    for y, x in np.ndindex(3, 4):
        window = compared.cells[:, y : y + 2, x : x + columns].reshape(depth, -1).T
        assert agreement[y, x] == pytest.approx((aligned * window).sum(1).mean(), abs=1e-5)
    assert np.unravel_index(agreement.argmax(), agreement.shape) == (1, 2)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("competitors", [0, 5])
def test_windows_fit_as_a_loop_says(session: Session, masked: bool, competitors: int) -> None:
    rows, footprint, cells, places = problem(masked)
    others = np.random.default_rng(3).normal(1, 2, (competitors, CHANNELS)).astype(np.float32)
    target = np.r_[np.ones(len(rows)), np.zeros(competitors)].astype(np.float32)
    grid = PatchGrid(np.r_[rows, others], target, footprint, (0.0, 0.0))
    rho = similarities(grid.rows, cells)
    log_likelihood = ALPHA * rho - np.log(np.exp(ALPHA * rho).sum(0))
    fit = fit_windows(session, grid, cells, ALPHA)
    assert fit.likelihood.shape == fit.similarity.shape == fit.likeness.shape == (5, 6)
    for y, x in np.ndindex(5, 6):
        window = [(m, y + i, x + j) for m, (i, j) in enumerate(places)]
        likelihood = np.mean([log_likelihood[at] for at in window])
        similarity = np.mean([ALPHA * (rho[at] - 1) for at in window])
        likeness = np.mean([rho[: len(rows), at[1], at[2]].max() for at in window])
        assert fit.likelihood[y, x] == pytest.approx(likelihood, abs=0.02)
        assert fit.similarity[y, x] == pytest.approx(similarity, abs=0.02)
        assert fit.likeness[y, x] == pytest.approx(likeness, abs=1e-3)
    assert np.unravel_index(fit.likelihood.argmax(), (5, 6)) == (2, 3)
    assert fit.likelihood.max() < 1e-5


def test_a_cell_like_a_competitor_speaks_for_no_place(session: Session) -> None:
    """What the surroundings show too counts less, however well it fits."""
    rows, footprint, cells, _ = problem(False)
    cells[:, 2:5, 5:9] = cells[:, 2:5, 3:7].copy()
    flags = np.ones(len(rows), np.float32)
    alone = fit_windows(session, PatchGrid(rows, flags, footprint, (0.0, 0.0)), cells, ALPHA)
    shared = cells[:, 2:5, 7:9].reshape(CHANNELS, -1).T
    grid = PatchGrid(
        np.r_[rows, shared],
        np.r_[flags, np.zeros(len(shared), np.float32)],
        footprint,
        (0.0, 0.0),
    )
    with_others = fit_windows(session, grid, cells, ALPHA)
    assert with_others.likelihood[2, 5] < alone.likelihood[2, 5] - 0.1
    assert with_others.likelihood[2, 5] < 0
