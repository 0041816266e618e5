"""Packs: what each target gets, whole or not at all, and what the README says."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qatm.runtime import Bundle, BundleError, InputError
from qatm.runtime.bundle.folder import MANIFEST, default_bundle_path
from qatm.runtime.bundle.sidecar import SIDECAR_SCHEMA
from qatm.tools.cli import app
from qatm.tools.packing.pack import pack
from qatm.tools.packing.self_test import SelfTest
from qatm.tools.packing.targets import TARGETS, find_target

GRAPHS = {"features.onnx", "match.onnx", "compare.onnx"}
ALWAYS = {"bundle.json", "README.txt", "selftest", *GRAPHS}


@pytest.fixture(scope="module")
def rich(tiny_bundle, tmp_path_factory) -> Bundle:
    """The tiny bundle with all precisions, the same numbers under other names, and engines."""
    folder = tmp_path_factory.mktemp("rich") / "bundle"
    shutil.copytree(tiny_bundle, folder)
    data = json.loads((folder / MANIFEST).read_text())
    for precision in ("fp16", "int8-cpu", "int8-trt"):
        name = f"features.{precision}.onnx"
        shutil.copyfile(folder / "features.onnx", folder / name)
        data["files"][name] = {**data["files"]["features.onnx"], "precision": precision}
    (folder / MANIFEST).write_text(json.dumps(data))
    for flavour in ("tensorrt", "tensorrt-rtx"):
        for role, source, precision in (
            ("features", "features.fp16.onnx", "fp16"),
            ("match", "match.onnx", "fp32"),
            ("compare", "compare.onnx", "fp32"),
        ):
            write_engine(folder, flavour, role, source, precision)
    return Bundle.load(folder)


def write_engine(folder: Path, flavour: str, role: str, source: str, precision: str) -> None:
    """An engine file of a few bytes, with a sidecar that fits it."""
    body = f"{flavour} {role}".encode()
    stem = f"{role}.{precision}.{flavour}.sm86"
    (folder / f"{stem}.engine").write_bytes(body)
    record = {
        "schema": SIDECAR_SCHEMA,
        "file": f"{stem}.engine",
        "flavour": flavour,
        "version": "1.7.1",
        "sm": [86],
        "role": role,
        "precision": precision,
        "layers": {},
        "profiles": [],
        "source": source,
        "source_sha256": Bundle.load(folder, check=False).spec.files[source].sha256,
        "sha256": hashlib.sha256(body).hexdigest(),
        "bytes": len(body),
        "build_seconds": 1.0,
        "options": {},
        "key": "",
    }
    (folder / f"{stem}.engine.json").write_text(json.dumps(record))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def engines(flavour: str) -> set[str]:
    kinds = ("features.fp16", "match.fp32", "compare.fp32")
    return {f"{kind}.{flavour}.sm86{end}" for kind in kinds for end in (".engine", ".engine.json")}


CONTENTS = {
    "cpu": {"place.onnx", "features.int8-cpu.onnx"},
    "cuda": {"place.onnx", "features.fp16.onnx"},
    "rtx": {"features.fp16.onnx", *engines("tensorrt-rtx")},
    "jetson": {"features.fp16.onnx", "features.int8-trt.onnx", *engines("tensorrt")},
    "web": {"place.onnx", "joint.onnx"},
}


def test_every_target_is_tried():
    assert set(CONTENTS) == set(TARGETS)


@pytest.mark.parametrize("target", CONTENTS)
def test_a_pack_holds_what_the_target_needs_and_no_more(rich, target, tmp_path):
    packed = pack(rich, find_target(target), tmp_path / "out")
    assert names(tmp_path / "out") == ALWAYS | CONTENTS[target]
    onnx = {name for name in names(tmp_path / "out") if name.endswith(".onnx")}
    assert set(packed.bundle.spec.files) == onnx
    for info in packed.bundle.spec.files.values():
        packed.bundle.file(info.role, info.precision)
    assert names(tmp_path) == {"out"}


@pytest.mark.parametrize("target", CONTENTS)
def test_the_readme_says_what_to_do(rich, target, tmp_path):
    pack(rich, find_target(target), tmp_path / "out")
    text = (tmp_path / "out" / "README.txt").read_text()
    assert 'pip install "qatm[' in text
    assert "qatm check ." in text
    assert "qatm doctor --model ." in text
    assert "{" not in text
    if target == "rtx":
        assert '"tensorrt-rtx-cu13==1.7.1"' in text
        assert "SM 86" in text


def test_a_pack_runs_by_itself(rich, tmp_path):
    from qatm.runtime import Matcher, read_image

    out = tmp_path / "out"
    pack(rich, find_target("cpu"), out)
    test = json.loads((out / "selftest" / "selftest.json").read_text())
    with Matcher(out, "cpu") as matcher:
        matcher.set_template(read_image(out / "selftest" / "frame.png"), test["box"])
        best = matcher.match(read_image(out / "selftest" / "image.png"))[0]
    assert list(best.box) == pytest.approx(test["answer"]["box"], abs=1e-3)
    assert best.score == pytest.approx(test["answer"]["score"], abs=1e-3)


def test_the_packaged_model_is_found_where_the_self_test_shows_it(tmp_path):
    pack(Bundle.load(), find_target("cpu"), tmp_path / "out")
    test = json.loads((tmp_path / "out" / "selftest" / "selftest.json").read_text())
    answer = test["answer"]
    assert answer["found"] is True
    assert answer["found where it is not"] is False
    assert answer["box"] == pytest.approx([201, 133, 64, 64], abs=0.1)


@pytest.mark.parametrize(
    ("target", "words"),
    [("rtx", "no engines for tensorrt-rtx, which --for rtx needs: qatm-export --engines-only")],
)
def test_what_the_target_cannot_do_without(tiny_bundle, target, words, tmp_path):
    with pytest.raises(BundleError, match=words):
        pack(Bundle.load(tiny_bundle), find_target(target), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_every_graph_that_runs_there_needs_its_engine(tmp_path):
    folder = tmp_path / "bundle"
    shutil.copytree(default_bundle_path(), folder)
    write_engine(folder, "tensorrt-rtx", "features", "features.onnx", "fp32")
    write_engine(folder, "tensorrt-rtx", "match", "match.onnx", "fp32")
    with pytest.raises(
        BundleError, match="no follow and compare engines for tensorrt-rtx, which --for rtx"
    ):
        pack(Bundle.load(folder), find_target("rtx"), tmp_path / "out")
    write_engine(folder, "tensorrt-rtx", "follow", "follow.onnx", "fp32")
    with pytest.raises(BundleError, match="no compare engines for tensorrt-rtx"):
        pack(Bundle.load(folder), find_target("rtx"), tmp_path / "out")
    write_engine(folder, "tensorrt-rtx", "compare", "compare.onnx", "fp32")
    pack(Bundle.load(folder), find_target("rtx"), tmp_path / "out")
    assert "follow.fp32.tensorrt-rtx.sm86.engine" in names(tmp_path / "out")


def test_browsers_need_a_graph_that_does_all(tmp_path):
    with pytest.raises(BundleError, match="no find or joint graph"):
        pack(Bundle.load(), find_target("web"), tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("schema", 2),
        ("devices", "cpu"),
        ("devices", [1]),
        ("answer", [1]),
        ("answer", {"score": "high"}),
        ("answer", {"box": [1, None]}),
        ("answer", {"box": [1] * 100}),
    ],
)
def test_a_self_test_of_somebody_else_is_read_strictly(name, value, tmp_path):
    test = {"schema": 1, "target": "cpu", "devices": ["cpu"], "answer": {"score": 0.5}}
    file = tmp_path / "selftest" / "selftest.json"
    file.parent.mkdir()
    file.write_text(json.dumps(test))
    loaded = SelfTest.load(tmp_path)
    assert loaded is not None
    assert loaded.answer == {"score": 0.5}
    file.write_text(json.dumps({**test, name: value}))
    with pytest.raises(BundleError, match=r"selftest\.json cannot be read"):
        SelfTest.load(tmp_path)


def test_damaged_engines_are_not_packed(rich, tmp_path):
    folder = tmp_path / "bundle"
    shutil.copytree(rich.path, folder)
    (folder / "match.fp32.tensorrt.sm86.engine").write_bytes(b"x")
    with pytest.raises(BundleError, match="has 1 bytes instead of"):
        pack(Bundle.load(folder), find_target("jetson"), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    pack(Bundle.load(folder), find_target("rtx"), tmp_path / "out")


def test_a_folder_with_other_things_is_left_alone(tiny_bundle, tmp_path):
    bundle, target, out = Bundle.load(tiny_bundle), find_target("cpu"), tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    for force in (False, True):
        with pytest.raises(InputError, match="holds other things"):
            pack(bundle, target, out, force=force)
    (out / "mine.txt").unlink()
    pack(bundle, target, out)
    (out / "note.txt").write_text("of an earlier pack")
    with pytest.raises(InputError, match="--force"):
        pack(bundle, target, out)
    pack(bundle, target, out, force=True)
    assert names(out) == ALWAYS | {"place.onnx"}
    with pytest.raises(InputError, match="lies in the bundle"):
        pack(Bundle.load(out), target, out / "inside")


def test_the_packaged_model_has_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["bundle", "pack", "default", "--for", "cpu", "out"])
    assert result.exit_code == 0
    packed = Bundle.load(tmp_path / "out")
    assert packed.spec.files["features.onnx"] == Bundle.load().spec.files["features.onnx"]
    for target, cure in (("web", "--find"), ("rtx", "--engine tensorrt-rtx")):
        with pytest.raises(BundleError, match=f"needs: qatm-export {cure} bundle, and pack that"):
            pack(Bundle.load(), find_target(target), tmp_path / "other")


def test_the_cure_does_not_replace_a_bundle_by_one_of_another_network(tiny_bundle, tmp_path):
    folder = tmp_path / "bundle"
    shutil.copytree(tiny_bundle, folder)
    data = json.loads((folder / MANIFEST).read_text())
    data["files"] = {name: file for name, file in data["files"].items() if name != "joint.onnx"}
    (folder / MANIFEST).write_text(json.dumps(data))
    with pytest.raises(BundleError, match="needs: export it again with its options and --find"):
        pack(Bundle.load(folder), find_target("web"), tmp_path / "out")


def test_the_command(tiny_bundle, tmp_path):
    def run(*arguments: object):
        return CliRunner().invoke(app, ["bundle", "pack", *map(str, arguments)])

    out = tmp_path / "out"
    result = run(tiny_bundle, out, "--for", "cuda")
    assert result.exit_code == 0, result.output
    assert "has no features.fp16.onnx" in result.stderr
    assert f"qatm check {out}" in result.stderr
    again = run(tiny_bundle, out, "--for", "cuda")
    assert again.exit_code == 2
    assert again.stderr.startswith("error: OUT ")
    assert run(tiny_bundle, out, "--for", "cuda", "--force").exit_code == 0
    assert run(tiny_bundle, tmp_path / "o", "--for", "tpu").exit_code == 2
    assert run(tiny_bundle, tmp_path / "o").exit_code == 2
    assert run(tmp_path / "none", tmp_path / "o", "--for", "cpu").exit_code == 2


@pytest.mark.parametrize("task", ["align", "verify"])
def test_bundles_for_pairs_have_a_test_too(task, tmp_path):
    from qatm.runtime.bundle.folder import default_align_path

    source = default_align_path() if task == "align" else Bundle.load().path
    folder = tmp_path / "bundle"
    shutil.copytree(source, folder)
    data = json.loads((folder / MANIFEST).read_text())
    data["task"] = task
    (folder / MANIFEST).write_text(json.dumps(data))
    packed = pack(Bundle.load(folder), find_target("cpu"), tmp_path / "out")
    assert {verdict.what for verdict in packed.verdicts} > {"score"}
    answer = json.loads((tmp_path / "out" / "selftest" / "selftest.json").read_text())["answer"]
    assert answer["found" if task == "align" else "same place"] is True
    assert "network.onnx" in names(tmp_path / "out")
    assert "network.npz" not in names(tmp_path / "out")


@pytest.mark.parametrize("name", ["README.txt", "readme.TXT", "selftest"])
def test_files_of_a_bundle_do_not_replace_those_of_the_pack(tiny_bundle, name, tmp_path):
    folder = tmp_path / "bundle"
    shutil.copytree(tiny_bundle, folder)
    data = json.loads((folder / MANIFEST).read_text())
    (folder / "features.onnx").rename(folder / name)
    data["files"][name] = data["files"].pop("features.onnx")
    (folder / MANIFEST).write_text(json.dumps(data))
    with pytest.raises(BundleError, match="has the name of a file of packs"):
        pack(Bundle.load(folder), find_target("cpu"), tmp_path / "out")
    assert names(tmp_path) == {"bundle"}
