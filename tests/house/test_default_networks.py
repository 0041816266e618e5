"""The trained networks inside the package: what they say of themselves, and that they work."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from qatm.runtime import Aligner, Bundle, Verifier, read_image
from qatm.runtime.align.spline import grid_points
from qatm.runtime.bundle.folder import default_align_path, default_bundle_path, sha256_of
from qatm.tools.train.default_networks import app

AFFINE = np.array([[0.82, 0.1, 30.0], [-0.08, 0.9, 12.0]])

HOMES = {"align": (default_align_path(), 40), "verify": (default_bundle_path(), 200)}

WITHOUT_TORCH = """
import sys
sys.modules.update(dict.fromkeys(("torch", "onnx", "onnxscript")))
from qatm.tools.cli import main
main()
"""


def cli(*arguments: object) -> tuple[int, list[dict[str, object]]]:
    """The command in a process that cannot import PyTorch or ONNX."""
    command = [sys.executable, "-c", WITHOUT_TORCH, *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert not done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def check_files(bundle: Bundle, role: str, most: int) -> None:
    """A network and its weights are what the manifest says, are small, and NOTICE names them."""
    for each in (role, f"{role}-weights"):
        file = bundle.file(each, "fp32")
        assert sha256_of(file) == bundle.spec.files[file.name].sha256
        assert file.stat().st_size < most
    notice = Path(__file__).parents[2] / "NOTICE"
    assert f"{bundle.path.name}/{role}.onnx" in notice.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def files(photographs: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cat, the cat warped, a part of it in another light, and a cup."""
    folder = tmp_path_factory.mktemp("pictures")
    cat = photographs["chelsea"]
    size = cat.shape[1], cat.shape[0]
    pictures = {
        "cat": cat,
        "warped": cv2.warpAffine(cat, AFFINE, size, borderMode=cv2.BORDER_REFLECT),
        "part": cv2.resize(cat[60:260, 150:400], (300, 240)) * 0.85,
        "cup": photographs["coffee"],
    }
    for name, picture in pictures.items():
        cv2.imwrite(str(folder / f"{name}.png"), np.asarray(picture, np.uint8))
    return folder


@pytest.mark.parametrize("task", HOMES)
def test_the_manifest_says_what_it_was_trained_on(task: str) -> None:
    folder, steps = HOMES[task]
    bundle = Bundle.load(folder)
    network = bundle.spec.network
    assert (network["task"], network["matching"], network["seed"]) == (task, "qatm", 0)
    assert network["steps"] == network["trained_steps"] == steps
    assert "CC0 and public-domain photographs" in network["pictures"]
    assert "chelsea.png" in network["pictures"]
    check_files(bundle, "network", 250_000)


def test_a_known_warp_is_found_without_pytorch(files: Path) -> None:
    source, target = files / "cat.png", files / "warped.png"
    status, (record,) = cli("align", source, target, "--method", "network")
    assert status == 0
    assert record["found"]
    with Aligner(device="cpu", threads=1, method="network") as aligner:
        assert aligner.info.bundle == str(default_align_path())
        pictures = [read_image(path) for path in (source, target, files / "cup.png")]
        alignment = aligner.align(*pictures[:2])
        other = aligner.align(pictures[0], pictures[2])
    size = np.array(alignment.source_size)
    points = grid_points(4, 4) * 0.5 * size + 0.25 * size
    assert alignment.score == pytest.approx(record["score"], abs=1e-4)
    true = points @ AFFINE[:, :2].T + AFFINE[:, 2]
    assert np.hypot(*(alignment.transfer(points) - true).T).mean() < 0.03 * max(size)
    assert not other.found


def test_a_known_place_is_told_from_another_without_pytorch(files: Path) -> None:
    command = ("verify", "--decide", "network")
    status, (same,) = cli(*command, files / "part.png", files / "cat.png")
    assert status == 0
    assert same["same_place"]
    box = same["box"]
    assert isinstance(box, list)
    x, y, w, h = box
    shared = max(0, min(x + w, 400) - max(x, 150)) * max(0, min(y + h, 260) - max(y, 60))
    assert shared > 0.95 * 250 * 200
    assert w * h < 0.8 * 451 * 300
    cup, cat = (read_image(files / f"{name}.png") for name in ("cup", "cat"))
    with Verifier(cat, device="cpu", threads=1, panorama=False, decide="network") as verifier:
        assert verifier.info.bundle == str(default_bundle_path())
        assert not verifier.verify(cup).same_place


@pytest.mark.slow
def test_the_command_changes_nothing_but_the_network(tmp_path: Path) -> None:
    options = ["--task", "align", "--steps", "1", "--out", "run", "--bundles", "bundles"]
    paths = [str(tmp_path / name) if name in ("run", "bundles") else name for name in options]
    done = CliRunner().invoke(app, paths)
    assert done.exit_code == 0, done.output
    shipped, made = (
        Bundle.load(default_align_path()),
        Bundle.load(tmp_path / "bundles/default_align"),
    )
    old, new = shipped.spec, made.spec
    assert (new.backbone, new.recipes, new.task) == (old.backbone, old.recipes, "align")
    for role in ("features", "match"):
        assert made.file_hash(role, "fp32") == shipped.file_hash(role, "fp32")
    told = {name: (old.network[name], new.network[name]) for name in new.network}
    assert {name for name, (one, other) in told.items() if one != other} == {
        "steps",
        "trained_steps",
        "checkpoint_sha256",
    }
    assert f"SHA-256 {made.file_hash('network', 'fp32')}" in done.stdout


def test_the_manifest_says_what_boxes_were_learned_from() -> None:
    bundle = Bundle.load(default_bundle_path())
    told = bundle.spec.follow
    assert (told["task"], told["seed"], told["objects"]) == (
        "follow",
        0,
        "3391 cut-outs of a folder",
    )
    assert told["steps"] == told["trained_steps"] == 6000
    assert "CC0 and public-domain photographs" in told["pictures"]
    check_files(bundle, "follow", 350_000)
