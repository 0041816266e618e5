"""``qatm bench`` as a user runs it: tables, JSON, files, and a device without much installed."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from absent_packages import without
from bench_records import COMPARISON_KEYS, COST_KEYS, IDENTITY_KEYS, some_rows, some_run
from typer.testing import CliRunner

from qatm.tools.cli import app
from qatm.tools.evaluation.speed.bench_ratios import ratios
from qatm.tools.evaluation.speed.bench_rows import COMPARISONS, COSTS, GROUPS
from qatm.tools.evaluation.speed.bench_tables import ratio_table, tables
from qatm.tools.evaluation.speed.benchmark import Benchmark, BenchStep
from qatm.tools.evaluation.speed.jobs import LeftOut

pytest.importorskip("onnxruntime")

ABSENT = ("torch", "onnx", "onnxscript", "skimage", "matplotlib", "scipy")


def shown(*parts: object) -> str:
    from rich.console import Console

    text = io.StringIO()
    console = Console(file=text, width=80)
    for part in parts:
        console.print(part)
    return text.getvalue()


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """Rows that are there at once."""
    rows = some_rows()
    steps = [BenchStep("all of it", ("match",), lambda: rows)]
    monkeypatch.setattr(Benchmark, "steps", lambda *_: steps)
    return rows


def test_tables_fit_a_terminal_and_every_line_has_its_sizes() -> None:
    text = shown(*tables(some_run()))
    assert "cv2.matchTemplate" in text
    assert "20.00" in text
    assert "7.5 % of match() is spent outside ONNX Runtime" in text
    assert "…" not in text
    assert text.count("640x480") == 2 * len(COMPARISONS) + len(COSTS) + 1
    assert text.count("64x64") == text.count("640x480")
    assert "2 of 64x64" in text


def test_ratios_are_shown_with_what_is_missing() -> None:
    now, then = some_run(), some_run()
    now.rows[0]["ours_ms"] *= 2.5
    gone = now.rows.pop()
    text = shown(*ratio_table(ratios(now, then), "old.json"))
    assert "This run over old.json" in text
    assert "2.50" in text
    assert f"not in this run: {gone['key']}" in text


@pytest.mark.usefixtures("measured")
def test_without_json_there_are_tables() -> None:
    done = CliRunner().invoke(app, ["bench", "--quick"])
    assert done.exit_code == 0, done.output
    for title in ("Comparisons", "Costs", "Frames of Tracker"):
        assert title in done.stdout


def test_a_run_is_saved_and_compared(tmp_path: Path, measured: list[dict]) -> None:
    file = tmp_path / "new" / "run.json"
    first = CliRunner().invoke(app, ["bench", "--json", "--save", str(file)])
    assert first.exit_code == 0, first.output
    assert [json.loads(line) for line in first.stdout.splitlines()] == measured
    document = json.loads(file.read_text(encoding="utf-8"))
    assert document["rows"] == measured
    assert document["groups"] == list(GROUPS)
    assert {"cpu", "cores", "system"} == document["machine"].keys()
    assert document["versions"]["numpy"]
    assert document["pace_ms"] > 0

    for row in measured:
        row["group"] = "match"
    measured.pop()
    second = CliRunner().invoke(app, ["bench", "--json", "--against", str(file)])
    assert second.exit_code == 0, second.output
    records = [json.loads(line) for line in second.stdout.splitlines()][len(measured) :]
    assert records[0]["speedup"] == 1.0
    assert records[-1] == {
        "name": "ratio",
        "key": "scaling 640x480 64x64 x2",
        "missing": "this run",
    }
    assert "times as long as then" in second.stderr


def test_what_cannot_be_measured_is_said_and_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent() -> list[dict]:
        raise LeftOut("there is none here")

    steps = [BenchStep("something", ("match",), absent)]
    monkeypatch.setattr(Benchmark, "steps", lambda *_: steps)
    done = CliRunner().invoke(app, ["bench", "--json", "--save", str(tmp_path / "run.json")])
    assert done.exit_code == 0
    assert "left out: something: there is none here" in done.stderr.splitlines()
    document = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert document["left_out"] == [{"what": "something", "reason": "there is none here"}]


def test_a_plot_has_its_own_option(tmp_path: Path, measured: list[dict]) -> None:
    pytest.importorskip("matplotlib")
    assert measured
    done = CliRunner().invoke(app, ["bench", "--plot", str(tmp_path / "new" / "growth.png")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "new" / "growth.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--save", "{file}/run.json"], "cannot be written to"),
        (["--save", "{folder}"], "must name a .json file"),
        (["--save", "run.txt"], "must name a .json file"),
        (["--plot", "plot.pdf"], "must name a .png file"),
        (["--against", "{file}"], "char 0)), not a file of measurements"),
        (["--against", "{folder}"], "cannot be read"),
        (["--only", "everything"], "everything"),
    ],
)
def test_what_cannot_be_used_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], complaint: str
) -> None:
    monkeypatch.setattr(Benchmark, "steps", None)
    (tmp_path / "file").write_text("", encoding="utf-8")
    places = {"file": tmp_path / "file", "folder": tmp_path}
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["bench", *(part.format(**places) for part in options)])
    assert done.exit_code == 2
    assert options[0] in done.stderr
    assert complaint in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_quick_and_whole_runs_are_not_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Benchmark, "steps", None)
    some_run(quick=True).save(tmp_path / "run.json")
    done = CliRunner().invoke(app, ["bench", "--against", str(tmp_path / "run.json")])
    assert done.exit_code == 2
    assert "measured with --quick" in done.stderr


@pytest.mark.slow
@pytest.mark.minutes
def test_a_device_without_pytorch_measures_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    before = os.environ.get("PYTHONPATH", "")
    path = os.pathsep.join(filter(None, (without(ABSENT, tmp_path), before)))
    command = [sys.executable, "-m", "qatm.tools.cli", "bench", "--quick", "--json"]
    done = subprocess.run(
        [*command, "--save", str(file)],
        env={**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert json.loads(file.read_text(encoding="utf-8"))["rows"] == rows
    needs = {"match_vs_reference", "graph_vs_eager", "tracked_vs_csrt", "int8_vs_fp32"}
    names = {row["name"] for row in rows}
    assert names >= (set(COMPARISONS) | set(COSTS)) - needs - {"lost_budget"}
    assert not names & {"match_vs_reference", "graph_vs_eager"}
    for name in ("match_vs_reference", "graph_vs_eager"):
        assert (
            f'left out: {name}: torch is not installed; pip install "qatm[export]"' in done.stderr
        )
    assert "pictures are drawn" in done.stderr
    assert {row["pictures"] for row in rows} == {"drawn"}
    assert all(row["right"] for row in rows if "right" in row)
    for row in rows:
        wanted = COMPARISON_KEYS if row["name"] in COMPARISONS else COST_KEYS
        assert row.keys() >= IDENTITY_KEYS | wanted
    assert len({row["key"] for row in rows}) == len(rows)


def test_a_plot_needs_matplotlib_and_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "qatm.tools.cli", "bench", "--plot", str(tmp_path / "plot.png")],
        env={**os.environ, "PYTHONPATH": without(ABSENT, tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == 'error: --plot draws with matplotlib: pip install "qatm[eval]"\n'
