"""``qatm lab`` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qatm.tools.cli import app
from qatm.tools.lab import track_sizes, track_soak
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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sizes", "--tracker", "magic"], "'magic' is unknown"),
        (["sizes", "--frames", "3"], "--frames"),
        (["soak", "--frames", "999"], "--frames"),
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
    for name in ("sizes", "soak"):
        assert name in result.stdout
    for module in (track_sizes, track_soak):
        source = Path(str(module.__file__)).read_text(encoding="utf-8")
        assert "typer" not in source, "the work knows no command line"
