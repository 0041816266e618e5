"""The file of measurements, the ratios to it, and the plot."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from bench_records import some_rows, some_run

from qatm.runtime.errors import InputError
from qatm.tools.evaluation.speed.bench_files import read_run
from qatm.tools.evaluation.speed.bench_ratios import HERE, THERE, differences, ratios
from qatm.tools.evaluation.speed.machine import cpu_name, machine, usable_cores


def test_a_run_is_read_as_it_was_saved(tmp_path: Path) -> None:
    run = some_run()
    run.save(tmp_path / "new" / "run.json")
    assert asdict(read_run(tmp_path / "new" / "run.json", "--against")) == asdict(run)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["run.json"]
    document = json.loads((tmp_path / "new" / "run.json").read_text(encoding="utf-8"))
    assert document["qatm_bench"] == 1
    assert document["machine"]["cores"] == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "cannot be read: No such file"),
        ("no json", "no JSON document"),
        ('{"qatm_bench": 1, "rows": [', "no JSON document"),
        ("[1, 2]", "another kind of JSON"),
        ('{"rows": []}', "another kind of JSON"),
        ('{"qatm_bench": 99}', "not in format 1"),
        ('{"qatm_bench": 1, "rows": []}', "damaged"),
        ('{"qatm_bench": ' + "[" * 100_000, "no JSON document .*inside one another"),
        ('{"qatm_bench": 1, "pace_ms": 1e999}', "no JSON document .*too large"),
        ('{"key": "a"}\n{"key": "b"}\n', "no JSON document"),
    ],
)
def test_another_file_is_refused_in_one_line(tmp_path: Path, text, reason: str) -> None:
    file = tmp_path / "other.json"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=reason) as caught:
        read_run(file, "--against")
    assert f"--against {file}" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "row", [{"ms": 1.0}, {"key": "a", "ms": "fast"}, {"key": "a", "peak_mb": [1]}, 5, None]
)
def test_damaged_rows_are_refused(tmp_path: Path, row) -> None:
    some_run([row]).save(tmp_path / "run.json")
    with pytest.raises(InputError, match=r"damaged.*qatm bench --save FILE"):
        read_run(tmp_path / "run.json", "--against")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"machine": "fast"}, "machine is 'fast'; it must be an object"),
        ({"versions": {"numpy": 2}}, "numpy is 2; it must be text"),
        ({"groups": [["match"]]}, "a group is a list; it must be text"),
        ({"model": None}, "model is None; it must be an object"),
        ({"pace_ms": "12"}, "pace_ms is '12'"),
        ({"pace_ms": -1.0}, "pace_ms is -1.0"),
        ({"pictures": 5}, "pictures is 5"),
        ({"left_out": [5]}, "an entry of left_out is 5"),
    ],
)
def test_damaged_fields_are_refused(tmp_path: Path, changes, words: str) -> None:
    some_run(**changes).save(tmp_path / "run.json")
    with pytest.raises(InputError, match=f"damaged .*{words}"):
        read_run(tmp_path / "run.json", "--against")


def test_an_unknown_field_is_refused(tmp_path: Path) -> None:
    some_run().save(tmp_path / "run.json")
    document = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    (tmp_path / "run.json").write_text(json.dumps({**document, "more": 1}), encoding="utf-8")
    with pytest.raises(InputError, match=r"damaged \('more' is unknown\)"):
        read_run(tmp_path / "run.json", "--against")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="no JSON document"):
        read_run(tmp_path / "run.json", "--against")


def row(key: str, group: str = "growth", **measured) -> dict:
    return {"key": key, "name": "scaling", "group": group, **measured}


def test_ratios_are_this_run_over_the_other() -> None:
    now = some_run([row("a", ms=30.0, peak_mb=50.0, growth_mb=4.0, slow_ms=None)])
    then = some_run([row("a", ms=20.0, peak_mb=100.0, growth_mb=0.0, slow_ms=3.0)])
    wanted = {"name": "ratio", "key": "a", "ms": 1.5, "peak_mb": 0.5, "growth_mb": None}
    assert ratios(now, then) == [wanted]


def test_rows_that_only_one_has_are_named() -> None:
    now = some_run([row("both", ms=1.0), row("new", ms=1.0)])
    then = some_run([row("both", ms=1.0), row("old", ms=1.0), row("unasked", "align", ms=1.0)])
    found = {record["key"]: record.get("missing") for record in ratios(now, then)}
    assert found == {"both": None, "new": THERE, "old": HERE}


def test_a_run_against_itself_is_one() -> None:
    for record in ratios(some_run(), some_run()):
        values = {v for k, v in record.items() if k not in ("name", "key")}
        assert values == {1.0}


def test_what_else_differs_is_said() -> None:
    other = some_run(pictures="drawn", pace_ms=20.0)
    other.machine["cores"] = 8
    other.versions = {"numpy": "1.9", "torch": "3"}
    said = differences(some_run(pace_ms=30.0), other)
    assert said[0] == "another number of cores: now 2, then 8"
    assert said[1] == "another kind of pictures: now photographs, then drawn"
    assert said[2] == "another version of numpy: now 2.0, then 1.9"
    assert "1.50 times as long" in said[3]
    assert differences(some_run(), some_run()) == []


@pytest.mark.parametrize("memory", [100.0, None, -1.0])
def test_the_plot_is_a_picture(tmp_path: Path, memory: float | None) -> None:
    pytest.importorskip("matplotlib")
    from qatm.tools.evaluation.speed.growth_plot import plot

    plot(some_run(some_rows(memory)), tmp_path / "new" / "plot.png")
    assert (tmp_path / "new" / "plot.png").read_bytes().startswith(b"\x89PNG")
    plot(some_run([]), tmp_path / "new" / "empty.png")
    assert len(list((tmp_path / "new").iterdir())) == 2


def test_each_curve_gets_its_points() -> None:
    from qatm.tools.evaluation.speed.growth_plot import footer, panels

    sizes = [(320, 64, 1), (640, 64, 1), (4000, 200, 1), (640, 64, 2), (640, 64, 4)]
    rows = [
        row(str(i), width=w, height=480, template=side, templates=count, ms=1.0)
        for i, (w, side, count) in enumerate(sizes)
    ]
    rows.append({**rows[0], "name": "objects", "objects": 3})
    rows.append({**rows[0], "name": "object_size"})
    curves = [
        [(panel.at(one), panel.label(one)) for one in rows if panel.of(one)]
        for panel in panels(rows)
    ]
    assert [label for _, label in curves[0]] == ["0.15", "0.31"]
    assert curves[1] == [(1, "1"), (2, "2"), (4, "4")]
    assert curves[2] == [(64, "64")]
    assert curves[3] == [(3, "3")]
    assert "some processor, 2 cores" in footer(some_run())[0]
    assert "numpy 2.0; pictures: photographs" in footer(some_run())[1]


def test_the_processor_has_a_name(tmp_path: Path) -> None:
    intel, arm = tmp_path / "intel", tmp_path / "arm"
    intel.write_text("processor\t: 0\nmodel name\t: Some CPU @ 3 GHz\n\n", encoding="utf-8")
    arm.write_text("processor\t: 0\nCPU part\t: 0xd08\n\nModel\t: Some Board\n", encoding="utf-8")
    assert cpu_name(intel) == "Some CPU @ 3 GHz"
    assert cpu_name(arm) == "Some Board"
    assert cpu_name(tmp_path / "none")
    assert machine()["cores"] == usable_cores() >= 1
