"""``qatm bench`` as a user runs it: tables, JSON, files."""

from __future__ import annotations

import io
import json
from functools import partial
from pathlib import Path

import pytest
from bench_records import COMPARISON_KEYS, SCALING_KEYS, some_records
from typer.testing import CliRunner

from qatm.tools.cli import app
from qatm.tools.commands.bench import comparison_table, scaling_table
from qatm.tools.evaluation.speed import benchmark
from qatm.tools.evaluation.speed.benchmark import MEANINGS, QUICK, Benchmark
from qatm.tools.evaluation.speed.jobs import BenchJob

pytest.importorskip("torch")
pytest.importorskip("skimage")
pytest.importorskip("onnxruntime")


def shown(table: object) -> str:
    from rich.console import Console

    text = io.StringIO()
    Console(file=text, width=120).print(table)
    return text.getvalue()


def test_tables_show_every_measurement() -> None:
    records = some_records()
    text = shown(comparison_table([r for r in records if r["name"] != "scaling"]))
    assert "cv2.matchTemplate" in text
    assert "20.00" in text
    assert "7.5 % of match() is spent outside ONNX Runtime" in text
    assert "640 x 480" in shown(scaling_table([r for r in records if r["name"] == "scaling"]))


@pytest.mark.slow
def test_quick_prints_one_object_a_line_and_saves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark, "BenchJob", partial(BenchJob, height=240, width=320))
    done = CliRunner().invoke(app, ["bench", "--quick", "--json", "--save", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    records = [json.loads(line) for line in done.stdout.splitlines()]
    comparisons = [r for r in records if r["name"] != "scaling"]
    points = [r for r in records if r["name"] == "scaling"]
    assert [r["name"] for r in comparisons] == list(MEANINGS)
    assert all(r.keys() >= COMPARISON_KEYS for r in comparisons)
    assert all(r.keys() >= SCALING_KEYS for r in points)
    assert len(points) == len(QUICK.sizes) + len(QUICK.counts)
    assert 0 <= comparisons[2]["outside_percent"] <= 100
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"bench.jsonl", "bench.png"}


def test_without_json_there_are_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Benchmark, "steps", lambda _: [lambda record=record: record for record in some_records()]
    )
    done = CliRunner().invoke(app, ["bench", "--quick"])
    assert done.exit_code == 0, done.output
    assert "times faster" in done.stdout
    assert "How match() grows" in done.stdout


def test_what_cannot_be_written_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Benchmark, "steps", None)
    (tmp_path / "file").write_text("")
    done = CliRunner().invoke(app, ["bench", "--save", str(tmp_path / "file")])
    assert done.exit_code == 2
    assert "--save" in done.stderr
    assert "cannot be written to" in done.stderr
