"""Methods, figures and files of ``qatm eval align``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qatm.runtime import InputError
from qatm.tools.evaluation.align.align_runs import (
    METHODS,
    AlignOutcome,
    align_pairs,
    align_records,
    check_methods,
    chosen_methods,
    pck,
    write_align_csv,
)
from qatm.tools.evaluation.align.marked_pairs import Marked


def test_a_point_is_right_within_a_tenth_of_the_larger_side():
    true = np.array([[0.0, 0.0], [100.0, 0.0], [100.0, 40.0], [0.0, 40.0]])
    moved = true + np.array([[10.0, 0.0], [6.0, 8.0], [0.0, 10.1], [30.0, 0.0]])
    assert pck(moved, true) == 0.5
    assert pck(true, true) == 1


def test_stretching_takes_corners_to_corners():
    images = [np.zeros((20, 40, 3), np.uint8), np.zeros((60, 60, 3), np.uint8)]
    marks = [np.array([[-0.5, -0.5], [39.5, 19.5]]), np.array([[-0.5, -0.5], [59.5, 59.5]])]
    source, target = (
        Marked(name, image, points) for name, image, points in zip("ab", images, marks, strict=True)
    )
    (outcome,) = align_pairs("identity", [("kind", source, target)], None, "cpu")
    assert outcome == AlignOutcome("identity", "kind", "a", "b", 1.0, 0.0)


@pytest.mark.parametrize(
    ("chosen", "networks", "words"),
    [
        (["magic"], False, "'magic' is unknown; .*--network adds"),
        (["network-qatm"], False, "--network adds"),
        ([" , "], False, "names no method"),
        (["qatm"], True, "--network adds a method, and --method names others"),
        (["magic"], True, "'magic' is unknown"),
    ],
)
def test_methods_are_checked_before_networks_are_opened(chosen, networks, words):
    with pytest.raises(InputError, match=words):
        check_methods(chosen, networks=networks)


def test_networks_count_as_methods():
    check_methods([], networks=True)
    check_methods(["network-qatm,identity"], networks=True)
    networks = ("network-qatm", "network-qatm-2")
    assert chosen_methods([], []) == [*METHODS]
    assert chosen_methods(["all"], networks) == [*METHODS, *networks]
    both = "network-qatm-2, network-qatm"
    assert chosen_methods([both, "qatm"], networks) == ["network-qatm-2", "network-qatm", "qatm"]
    with pytest.raises(InputError, match="adds method network-qatm-2, which --method does not"):
        chosen_methods(["network-qatm"], networks)
    with pytest.raises(InputError, match="'network-cosine' is unknown; choose from identity"):
        chosen_methods(["network-cosine"], networks)


def test_records_and_rows(tmp_path: Path):
    outcomes = [
        AlignOutcome("qatm", group, "a", "b", share, 0.5)
        for group, share in (("cats", 1.0), ("dogs", 0.25), ("cats", 0.5))
    ]
    assert align_records("qatm", outcomes) == [
        {"method": "qatm", "group": "cats", "pck": 0.75, "pairs": 2},
        {"method": "qatm", "group": "dogs", "pck": 0.25, "pairs": 1},
        {"method": "qatm", "group": "mean", "pck": 0.5833, "pairs": 3},
    ]
    table = tmp_path / "new" / "rows.csv"
    write_align_csv(table, outcomes)
    rows = table.read_text(encoding="utf-8").splitlines()
    assert rows[0] == "method,group,source,target,pck,score"
    assert rows[2] == "qatm,dogs,a,b,0.2500,0.5000"
