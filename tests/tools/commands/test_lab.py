"""``qatm lab`` as a user runs it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import cv2
import pytest
from typer.testing import CliRunner

from qatm.runtime.bundle.fits import FitRecord, Number
from qatm.tools.cli import app
from qatm.tools.lab import judge_fit, match_fit, score_fits, task_fits, track_sizes, track_soak
from qatm.tools.lab.score_fits import ScoreFit
from qatm.tools.lab.track_soak import SoakReport


def lab(*arguments: object):
    return CliRunner().invoke(app, ["lab", *map(str, arguments)])


def test_sizes_are_printed_one_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(track_sizes, "SIZES", ((160, 120), (320, 240)))
    monkeypatch.setattr(track_sizes.measure, "__defaults__", (((160, 120), (320, 240)),))
    result = lab("sizes", "--tracker", "mil", "--frames", 10, "--threads", 1, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(r["width"], r["height"], r["side"]) for r in records] == [
        (160, 120, 48),
        (320, 240, 48),
        (160, 120, 24),
        (320, 240, 48),
    ]
    assert records[0]["ratio"] == records[2]["ratio"] == 1
    assert all(record["ms"] > 0 for record in records)


@pytest.mark.parametrize(("growth", "status"), [(8.0, 0), (8.1, 1)])
def test_soak_has_the_status_of_its_verdict(
    monkeypatch: pytest.MonkeyPatch, growth: float, status: int
) -> None:
    reports = [SoakReport(500 * i, 100.0 + growth * (i == 2), 50.0, 1.0, 1.0) for i in (1, 2)]
    monkeypatch.setattr(track_soak, "soak_tracker", lambda *_: iter(reports))
    result = lab("soak", "--tracker", "mil", "--frames", 1000)
    assert result.exit_code == status, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith("      500 frames     100.0 MiB     50.0 fps  on the object 100.0 %")
    assert lines[-1].startswith("GROWING" if status else "constant")
    assert f"+{growth:.1f} MiB after the first 500 frames" in lines[-1]


def some_fit(apart: float) -> ScoreFit:
    record = FitRecord(
        task="track",
        backbone="net:1+2",
        alpha=25.0,
        numbers={"share_weight": 4.02, "agreement_weight": 10.0},
        data="9 sequences",
        command="qatm lab fit track DIR",
        figures={
            "present": 12.0,
            "absent": 8.0,
            "roc_auc": 0.9934,
            "left_out_roc_auc": 0.9914,
            "log_loss": 0.1005,
            "left_out_log_loss": 0.1184,
            "recall": 0.968,
            "false_alarm_rate": 0.0423,
        },
    )
    stored: dict[str, Number] = {"share_weight": 3.91, "agreement_weight": 10.0}
    return ScoreFit(record, stored, ("agreement_weight",), apart)


@pytest.mark.parametrize(("apart", "status"), [(0.03, 0), (0.031, 1)])
def test_fit_has_the_status_of_its_verdict(
    monkeypatch: pytest.MonkeyPatch, apart: float, status: int
) -> None:
    monkeypatch.setattr(task_fits, "FITS", {"track": lambda *_: some_fit(apart)})
    result = lab("fit", "track", ".", "--device", "cpu")
    assert result.exit_code == status, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "track on net:1+2: 9 sequences"
    assert "share_weight           3.91     4.02  differs" in lines
    assert "agreement_weight         10       10  held" in lines
    assert "12 samples with the object, 8 without" in lines
    assert "roc auc            0.9934  (left out 0.9914)" in lines
    assert "recall             0.9680" in lines
    verdict = "DIFFERENT" if status else "the same"
    assert lines[-1] == f"{verdict}: stored and fitted scores differ by at most {apart:.3f}"
    result = lab("fit", "track", ".", "--device", "cpu", "--json")
    assert (result.exit_code, len(result.stdout.splitlines())) == (status, 1)
    found = json.loads(result.stdout)
    assert FitRecord.from_dict(found["fit"]) == some_fit(apart).record
    assert (found["apart"], found["same"], found["held"]) == (
        apart,
        not status,
        ["agreement_weight"],
    )


def test_numbers_of_a_kind_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = some_fit(0.0)
    record = dataclasses.replace(fit.record, numbers={"judge_hidden": (1.0, 2.0, 3.0)})
    found = dataclasses.replace(fit, record=record, stored={"judge_hidden": (1.0, 2.0)}, held=())
    monkeypatch.setattr(task_fits, "FITS", {"match": lambda *_: found})
    result = lab("fit", "match", ".", "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert "judge_hidden       2 of them 3 of them  differs" in result.stdout.splitlines()
    result = lab("fit", "match", ".", "--device", "cpu", "--json")
    assert json.loads(result.stdout)["fit"]["numbers"] == {"judge_hidden": [1.0, 2.0, 3.0]}


def test_a_folder_without_pairs_cannot_be_fitted_to(tmp_path: Path) -> None:
    result = lab("fit", "match", tmp_path, "--device", "cpu")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "holds no folder of pairs of frames" in result.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fit", "align", "."], "align"),
        (["fit", "match", "nowhere"], "nowhere is no folder"),
        (["fit", "track", "nowhere"], "nowhere is no folder"),
        (["fit", "verify", "nowhere"], "nowhere is not a folder"),
        (["sizes", "--tracker", "magic"], "'magic' is unknown"),
        (["sizes", "--frames", "3"], "--frames"),
        (["soak", "--frames", "999"], "--frames"),
        (["sizes", "--threads", "4097"], "'4097' should be less than or equal to 4096"),
        (["sizes", "--threads", str(1 << 31)], "should be less than or equal to 4096"),
        (["fit", "match", ".", "--threads", "4097"], "--threads"),
        (["soak", "--model", "nowhere"], "nowhere does not exist"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], words: str) -> None:
    result = lab(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr.splitlines()[-1]


def test_the_group_says_what_there_is() -> None:
    result = lab("--help")
    assert result.exit_code == 0
    for name in ("fit", "scenes", "sizes", "soak"):
        assert name in result.stdout
    for module in (judge_fit, match_fit, score_fits, track_sizes, track_soak):
        source = Path(str(module.__file__)).read_text(encoding="utf-8")
        assert "typer" not in source, "the work knows no command line"


def test_a_sheet_of_scenes_is_drawn(tmp_path: Path) -> None:
    sheet = tmp_path / "new" / "sheet.png"
    result = lab("scenes", "drawing", "--out", sheet, "--seed", 3, "--count", 3)
    assert (result.exit_code, result.stderr) == (0, "")
    *counts, last = result.stdout.splitlines()
    assert sum(int(line.split()[1]) for line in counts) == 3
    assert str(sheet) in last
    picture = cv2.imread(str(sheet))
    assert picture is not None
    assert picture.shape[0] > 600, "two rows"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["dreams", "--out", "a.png"], "no scenes of domain 'dreams'"),
        (["drawing", "--out", "a.gif"], "must name a .png"),
        (["drawing", "--out", "a.png", "--fonts", "."], "holds no .ttf"),
        (["photo", "--out", "a.png", "--photographs", "."], "holds 0 pictures"),
        (["parts", "--out", "a.png", "--photographs", "."], "--photographs has no effect on parts"),
    ],
)
def test_a_sheet_that_cannot_be_drawn_is_one_line(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = lab("scenes", *arguments)
    assert result.exit_code == 2
    assert words in result.stderr.splitlines()[-1]
    assert not list(tmp_path.iterdir())
