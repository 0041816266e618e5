"""Folders and files are looked at before any work, and nothing is left behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from typer.testing import CliRunner

from qatm.runtime import InputError
from qatm.tools import destinations
from qatm.tools.cli import app
from qatm.tools.commands.export import app as export_app
from qatm.tools.destinations import (
    check_bundle_folder,
    check_figure_folder,
    check_new_file,
    check_new_folder,
)
from qatm.tools.evaluation.device.gpu_report import app as report_app


def test_a_folder_may_be_made_later_and_is_not_made_now(tmp_path):
    check_new_folder("--out", tmp_path)
    check_new_folder("--out", tmp_path / "new" / "folder")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["file", "file/below", "file/below/that", "dangling"])
def test_what_is_no_folder_is_refused(tmp_path, name):
    (tmp_path / "file").write_text("kept")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    place = tmp_path / name.split("/")[0]
    with pytest.raises(
        InputError, match=f"--out {tmp_path / name}: folder {place} cannot be written"
    ):
        check_new_folder("--out", tmp_path / name)
    assert (tmp_path / "file").read_text() == "kept"


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path, monkeypatch):
    def closed(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("qatm.runtime.files.tempfile.TemporaryFile", closed)
    words = rf"--out .*new: folder {tmp_path} cannot be written to \(Permission denied"
    with pytest.raises(InputError, match=words):
        check_new_folder("--out", tmp_path / "new")


def test_files_need_their_ending(tmp_path):
    check_new_file("--save", tmp_path / "new" / "table.CSV", [".csv"])
    (tmp_path / "folder.csv").mkdir()
    for name in ("table.txt", "table", "folder.csv"):
        with pytest.raises(InputError, match=r"must name a \.csv file"):
            check_new_file("--save", tmp_path / name, [".csv"])
    assert [path.name for path in tmp_path.iterdir()] == ["folder.csv"]


def test_plots_need_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setattr(destinations, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"--save draws with matplotlib: .*qatm\[eval\]"):
        check_figure_folder("--save", tmp_path)


WORK = {
    "eval otb": ("qatm.tools.evaluation.match.frame_pairs.read_pairs", "--save"),
    "eval motb": ("qatm.tools.evaluation.match.frame_pairs.read_pairs", "--save"),
    "eval track": ("qatm.tools.evaluation.track.sequences.read_sequences", "--save"),
    "eval align": ("qatm.tools.evaluation.align.marked_pairs.read_groups", "--save"),
    "eval verify": ("qatm.tools.evaluation.verify.place_pairs.read_queries", "--save"),
    "train align": ("qatm.tools.train.pictures.open_images", "--out"),
    "train verify": ("qatm.tools.train.pictures.open_images", "--out"),
    "train follow": ("qatm.tools.train.cut_outs.open_cut_outs", "--out"),
    "train compare": ("qatm.tools.evaluation.track.sequences.read_sequences", "--out"),
    "train refine CHECKPOINT": ("qatm.tools.train.refinement.open_groups", "--out"),
}


@pytest.mark.parametrize("command", WORK)
def test_every_command_looks_before_it_works(command: str, tmp_path: Path, monkeypatch) -> None:
    work, option = WORK[command]

    def never(*_: object, **__: object) -> None:
        raise AssertionError("work was begun")

    monkeypatch.setattr(work, never)
    (tmp_path / "file.csv").write_text("kept")
    target = tmp_path / "file.csv" / "below.csv"
    arguments = [*command.split(), str(tmp_path), option, str(target)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: {option} ")
    assert f"folder {tmp_path / 'file.csv'} cannot be written to" in line


def test_the_exporter_looks_before_it_works(tmp_path, monkeypatch):
    monkeypatch.setattr("qatm.export.bundle.export_bundle", None)
    (tmp_path / "file").write_text("kept")
    result = CliRunner().invoke(export_app, [str(tmp_path / "file" / "bundle")])
    assert result.exit_code == 2
    assert f"error: OUT {tmp_path / 'file' / 'bundle'}: folder {tmp_path / 'file'}" in result.stderr


def test_the_report_on_devices_looks_before_it_works(tmp_path, monkeypatch):
    monkeypatch.setattr("qatm.tools.evaluation.device.gpu_report.make_report", None)
    (tmp_path / "file").write_text("kept")
    result = CliRunner().invoke(report_app, [str(tmp_path), "--out", str(tmp_path / "file")])
    assert result.exit_code == 2
    assert "error: --out" in result.stderr


def test_a_bundle_goes_into_a_new_folder_an_empty_one_or_a_bundle(tiny_bundle, tmp_path):
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "new", tmp_path / "empty", tiny_bundle):
        check_bundle_folder("OUT", folder, force=False)


def test_a_bundle_is_not_strewn_among_other_things(tmp_path):
    for name in "dcba":
        (tmp_path / name).write_text("mine")
    words = rf"OUT {tmp_path} holds other things \(a, b, c, …\); give a new .* or --force"
    with pytest.raises(InputError, match=words):
        check_bundle_folder("OUT", tmp_path, force=False)
    check_bundle_folder("OUT", tmp_path, force=True)
    result = CliRunner().invoke(export_app, [str(tmp_path)])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "holds other things" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == list("abcd")


@pytest.mark.parametrize("answer", [True, False])
def test_somebody_at_the_terminal_is_asked(tmp_path, monkeypatch, answer):
    (tmp_path / "mine").write_text("mine")
    for stream in ("stdin", "stderr"):
        monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True)
    asked: list[str] = []
    monkeypatch.setattr(
        destinations.typer, "confirm", lambda what, **_: asked.append(what) or answer
    )
    if answer:
        check_bundle_folder("OUT", tmp_path, force=False)
    else:
        with pytest.raises(InputError, match="nothing was written"):
            check_bundle_folder("OUT", tmp_path, force=False)
    assert "holds other things (mine). Write" in asked[0]


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("match", "cat.png", "--frame", "cat.png", "--box", "120,80,64,64", "--csv"),
        ("track", "cat.png", "--box", "120,80,64,64", "--json"),
        ("bench", "--save"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_file_is_not_what_the_shell_leads_the_output_to(tmp_path, photographs, arguments, stream):
    cv2.imwrite(str(tmp_path / "cat.png"), photographs["chelsea"])
    name = "out.csv" if arguments[-1] == "--csv" else "out.json"
    with (tmp_path / name).open("w+b") as led:
        command = [sys.executable, "-m", "qatm.tools.cli", *arguments, name]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, stream: led}
        done = subprocess.run(command, cwd=tmp_path, timeout=100, check=False, **streams)
        led.seek(0)
        said = done.stderr if stream == "stdout" else led.read()
    assert done.returncode == 2
    assert b"is the file that the" in said
    assert len(said.splitlines()) == 1
