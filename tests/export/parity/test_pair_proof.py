"""The check of bundles for pairs: answers compared, damage noticed, other bundles left alone."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import onnx
import pytest
from bundle_copies import add_precision, scale_weights, seal, without_network
from onnx import numpy_helper
from typer.testing import CliRunner

from qatm.export.bundle import TASKS
from qatm.export.parity import proof as parity
from qatm.export.parity.network_proof import compare_network
from qatm.export.parity.pair_proof import PAIR_KINDS, TOLERANCES, compare_pairs, make_pairs
from qatm.export.parity.parity_scenes import ParityScene
from qatm.runtime import Bundle, BundleError
from qatm.runtime.bundle.folder import MANIFEST, default_align_path, default_bundle_path
from qatm.tools.cli import app

LITTLE = partial(scale_weights, layer=20, factor=1.02)
MUCH = partial(scale_weights, layer=3, factor=8.0)
PRECISION = "int8-cpu"


@pytest.fixture
def aligning(tmp_path: Path) -> Path:
    """A copy of the bundle for alignment inside the package."""
    return Path(shutil.copytree(default_align_path(), tmp_path / "align"))


def check(folder: Path) -> tuple[int, list[dict[str, object]]]:
    """Exit status and records of ``qatm check``."""
    done = CliRunner().invoke(app, ["check", str(folder), "--json"])
    return done.exit_code, [json.loads(line) for line in done.stdout.splitlines()]


def test_another_precision_is_judged_by_pairs_and_not_by_windows(
    aligning: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = (ParityScene(64, 64, (32, 32)),)
    monkeypatch.setattr(parity.compare_bundle, "__defaults__", (small,))
    add_precision(aligning, PRECISION, LITTLE)
    status, records = check(aligning)
    assert status == 0
    mine = [record for record in records if record["precision"] == PRECISION]
    assert {record["what"] for record in mine} == {
        *("tap0", "tap1", "coarse", "joined", "points", "score"),
    }
    pairs = [record for record in mine if record["artefact"] == f"features.{PRECISION}.onnx, pairs"]
    assert {record["candidate"] for record in pairs} == {"fit", "network"}
    assert {record["size"] for record in pairs} == {v.name for v in PAIR_KINDS["align"].views}
    assert any(record["error"] for record in pairs)
    exact = {record["what"] for record in records if record["precision"] == "fp32"}
    assert exact >= {"box", "affine", "placed"}


def test_damaged_weights_fail(aligning: Path) -> None:
    add_precision(aligning, PRECISION, MUCH)
    results = list(compare_pairs(Bundle.load(aligning)))
    for method in ("fit", "network"):
        failed = [r for r in results if not r.passed and r.candidate == method]
        assert "points" in {result.what for result in failed}


def test_a_damaged_network_fails(aligning: Path) -> None:
    path = aligning / "network.onnx"
    model = onnx.load(str(path))
    weight = next(t for t in model.graph.initializer if t.name == "trust.over_target.weight")
    values = numpy_helper.to_array(weight).copy()
    values.flat[4] += 0.5
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    onnx.save(model, str(path))
    seal(aligning, path.name)
    failed = [result for result in compare_network(Bundle.load(aligning)) if not result.passed]
    assert {result.what for result in failed} == {"affine", "placed"}


def drop_last_node(model: onnx.ModelProto) -> None:
    del model.graph.node[-1]


def test_features_that_do_not_run_fail(aligning: Path) -> None:
    add_precision(aligning, PRECISION, drop_last_node)
    results = list(compare_pairs(Bundle.load(aligning)))
    assert {result.error for result in results} == {math.inf}
    assert all("did not run" in result.where for result in results)


def test_a_file_that_changed_since_is_refused(aligning: Path) -> None:
    path = add_precision(aligning, PRECISION, LITTLE)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(BundleError, match="SHA-256"):
        list(compare_pairs(Bundle.load(aligning)))


def test_places_are_compared_by_region_and_score() -> None:
    kind = PAIR_KINDS["verify"]
    (answer,) = kind.ask(
        default_bundle_path(), "cpu", "fp32", "network", make_pairs(kind.views[:1])
    )
    assert answer.same_place
    assert [result[:2] for result in kind.compare(answer, answer)] == [("region", 0), ("score", 0)]
    mask = answer.region.mask.copy()
    rows = np.flatnonzero(mask.any(1))
    mask[: rows[len(rows) // 2]] = False
    half = replace(answer, region=replace(answer.region, mask=mask), score=answer.score - 0.25)
    region, score = kind.compare(half, answer)
    assert region[1] == pytest.approx(1 - mask.sum() / answer.region.mask.sum())
    assert score[1] == pytest.approx(0.25)
    other = replace(answer, same_place=False)
    assert kind.compare(other, answer)[0][1] == math.inf


def edit_task(folder: Path, task: str | None) -> None:
    """Change or remove what a bundle says it is for."""
    data = json.loads((folder / MANIFEST).read_text())
    del data["task"]
    if task is not None:
        data["task"] = task
    (folder / MANIFEST).write_text(json.dumps(data))


def test_bundles_that_do_not_say_their_task_are_read(aligning: Path) -> None:
    edit_task(aligning, None)
    assert Bundle.load(aligning).spec.task == "align"
    bare = without_network(aligning, aligning.with_name("bare"))
    assert Bundle.load(bare).spec.task == "match"


def test_nothing_to_compare() -> None:
    assert not list(compare_pairs(Bundle.load(default_align_path())))
    assert not list(compare_pairs(Bundle.load()))
    assert set(PAIR_KINDS) == set(TASKS) - {"match"}


def test_pairs_are_different_pictures() -> None:
    for kind in PAIR_KINDS.values():
        for pair, view in zip(make_pairs(kind.views), kind.views, strict=True):
            assert pair.picture.shape == (*view.size, 3)
            assert pair.view.shape == (*view.view, 3)
            assert pair.view.std() > 20


def test_tolerances_are_complete() -> None:
    asked = {(row.what, row.precision) for row in TOLERANCES}
    assert asked == set(product(("points", "region", "score"), ("fp32", "fp16", "int8")))
    assert len(TOLERANCES) == len(asked)
