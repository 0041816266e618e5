"""``qatm eval --set``, ``--ablation``, ``--halves`` and ``--seeds``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from eval_pairs import BOTH, qatm, records, refused, write_three

from qatm.runtime import InputError
from qatm.runtime.boxes import Box
from qatm.tools.baselines import MethodOptions
from qatm.tools.evaluation.match import frame_pairs as pairs
from qatm.tools.evaluation.match import halves as eval_halves
from qatm.tools.evaluation.match import match_figures as eval_records
from qatm.tools.evaluation.match import match_runs as eval_run
from qatm.tools.evaluation.match import variants as eval_variants
from qatm.tools.evaluation.match.match_runs import Answer, MatchTask, Outcome


@pytest.fixture(scope="module")
def three(tmp_path_factory, photographs) -> Path:
    return write_three(tmp_path_factory.mktemp("three"), photographs)


def outcome(overlap: float, video: str = "v", ms: float = 5.0, error: str | None = None) -> Outcome:
    view = pairs.FrameView(Path("x_1.png"), Box(1, 2, 3, 4), (40, 30))
    answers = {name: Answer(Box(1, 2, 3, 4), 0.9, True, overlap) for name in BOTH}
    return Outcome("m", MatchTask("pair0001", video, view, view), answers, ms, error)


# --- --set


def test_settings_are_numbers_and_yes_or_no():
    read = eval_variants.read_changes
    assert read(["competitors=0", " max_enlarge = 1.2 ", "refine=No", "exclusive=true"]) == (
        ("competitors", 0.0),
        ("max_enlarge", 1.2),
        ("refine", 0.0),
        ("exclusive", 1.0),
    )
    for bad in ("competitors", "=3", "competitors=many", "competitors="):
        with pytest.raises(InputError, match="--set"):
            read([bad])


def test_a_changed_recipe_changes_the_answer(three):
    def run(*changes):
        options = [part for change in changes for part in ("--set", change)]
        return records(
            qatm("otb", three, "--json", "--processes", 1, "--protocol", "template-size", *options)
        )[0]

    plain = run()
    changed = run("refine=no", "competitors=0")
    assert "recipe" not in plain
    assert changed["recipe"] == {"refine": 0, "competitors": 0}
    assert changed["mean_iou"] != plain["mean_iou"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--set", "speed=1"], "no 'speed'; choose from alpha"),
        (["--set", "size_rounds=-1"], "must lie between"),
        (["--set", "alpha=-1"], "alpha is -1.0; it must lie between"),
        (["--set", "alpha=nan"], "alpha is nan"),
        (["--set", "competitors=nan"], "competitors is nan; it must lie between"),
        (["--set", "competitors=0", "--method", "ssd"], "not among the methods"),
        (["--ablation", "--method", "ssd"], "leave --method out"),
        (["--halves", "3"], "--ablation"),
    ],
)
def test_settings_without_sense_are_refused_before_any_work(three, options, words):
    refused(qatm("otb", three, "--processes", 1, *options), words)


# --- --ablation


@pytest.fixture(scope="module")
def ablated(three) -> list[dict]:
    return records(qatm("otb", three, "--ablation", "--halves", 2, "--json", "--processes", 1))


def test_the_ablation_has_a_line_for_each_idea(ablated):
    got = ablated
    lines = [record for record in got if "variant" in record]
    labels = ["qatm-plain", "qatm", *eval_variants.ABLATION, eval_variants.ALL_OFF]
    assert [(r["variant"], r["protocol"]) for r in lines] == [
        (label, protocol) for label in labels for protocol in BOTH
    ]
    assert lines[0]["time_ratio"] == 1
    assert all(record["time_ratio"] > 0 for record in lines)
    assert all(record["pairs"] == 3 and record["failed"] == 0 for record in lines)
    changes = {record["variant"]: record.get("recipe") for record in lines}
    assert changes["qatm"] is None
    assert changes["no competitors"] == {"competitors": 0}
    assert len(changes[eval_variants.ALL_OFF]) == len(eval_variants.ABLATION)
    halves = got[len(lines) :]
    assert [(r["without"], r["protocol"]) for r in halves] == [
        (label, protocol) for label in eval_variants.ABLATION for protocol in BOTH
    ]
    assert {record["halves"] for record in halves} == {4}


def test_each_idea_is_a_field_of_the_recipe_that_is_switched_off():
    recipe = MethodOptions().open_bundle().spec.recipes.match
    for changes in eval_variants.ABLATION.values():
        for name, value in changes.items():
            assert getattr(recipe, name) != value


def test_the_ablation_for_people(ablated):
    table = [record for record in ablated if "variant" in record]
    lines = [eval_records.table_head(table[0]), *map(eval_records.table_line, table)]
    assert "time" in lines[0].split()
    assert len({len(line) for line in lines}) == 1
    assert lines[1].split()[0] == "qatm-plain"
    halves = eval_halves.half_lines(ablated[len(table) :])
    assert halves[0].split() == ["without", "protocol", "chosen", "gain", "always", "worst"]
    assert len(halves) == 1 + 2 * len(eval_variants.ABLATION)
    assert len({len(line) for line in halves}) == 1


def test_times_are_compared_pair_by_pair():
    plain = [outcome(1, ms=10), outcome(1, ms=20), outcome(1, ms=40), outcome(1, error="x")]
    other = [outcome(1, ms=20), outcome(1, ms=30), outcome(1, ms=40), outcome(1, ms=1e9)]
    assert eval_records.time_ratio(other, plain) == 1.5
    assert eval_records.time_ratio(other[3:], plain[3:]) == 0


def test_tasks_are_done_together_or_variant_by_variant():
    view = pairs.FrameView(Path("x_1.png"), Box(1, 2, 3, 4), (40, 30))
    tasks = [MatchTask(str(i), "v", view, view) for i in range(eval_run.CHUNK + 1)]
    variants = eval_variants.plain_variants(("ssd", "ncc"), MethodOptions())

    def order(together):
        chunks = eval_run.split(variants, tasks, BOTH, together=together)
        assert all(chunk.variant.options.threads == 1 for chunk in chunks)
        return [(chunk.variant.label, len(chunk.tasks)) for chunk in chunks]

    whole = eval_run.CHUNK
    assert order(False) == [("ssd", whole), ("ssd", 1), ("ncc", whole), ("ncc", 1)]
    assert order(True) == [("ssd", whole), ("ncc", whole), ("ssd", 1), ("ncc", 1)]


# --- --halves


def test_halves_divide_the_videos():
    videos = [*"aabbccdde"]
    masks = eval_halves.half_masks(videos, 6)
    assert len(masks) == 12
    for first, second in masks:
        assert (first != second).all()
        for name in set(videos):
            assert len({bool(v) for v, of in zip(first, videos, strict=True) if of == name}) == 1
    assert {tuple(first) for first, _ in masks[::2]} != {tuple(masks[0][0])}
    assert eval_halves.half_masks(["a", "a"], 3) == []


def test_an_idea_that_always_helps_is_always_chosen():
    results = {
        "with": [outcome(0.96, video) for video in "abcd"],
        "without": [outcome(0.51, video) for video in "abcd"],
        "same": [outcome(0.96, video) for video in "abcd"],
        "better": [outcome(0.99, video) for video in "abcd"],
    }
    names = ("without", "same", "better")
    got = {
        record["without"]: record
        for record in eval_halves.half_records(results, "with", names, ["gt-size"], 5)
    }
    assert got["without"]["chosen"] == 1
    assert got["without"]["gain"] == got["without"]["gain_worst"] == pytest.approx(0.45)
    assert got["same"]["chosen"] == got["same"]["gain"] == 0
    assert got["better"]["gain_always"] == 0


def test_an_idea_that_helps_one_video_gains_nothing_by_choice():
    """The half that sees the video chooses the idea; the other half has nothing from it."""
    results = {
        "with": [outcome(0.96, video) for video in "abcd"],
        "without": [outcome(0.0 if video == "a" else 0.96, video) for video in "abcd"],
    }
    record = eval_halves.half_records(results, "with", ["without"], ["gt-size"], 8)[0]
    assert record["chosen"] == 0.5
    assert record["gain"] == 0
    assert record["gain_always"] == pytest.approx(0.25)


def test_a_single_video_cannot_be_halved():
    results = {name: [outcome(0.9)] for name in ("with", "without")}
    got = eval_halves.half_records(results, "with", ["without"], ["gt-size"], 5)
    assert "chosen" not in got[0]
    assert "two videos" in eval_halves.half_lines(got)[1]
    json.dumps(got, allow_nan=False)


# --- --seeds


def test_several_seeds_share_the_searches_of_present_objects(three):
    options = ["--json", "--processes", 1, "--protocol", "gt-size", "--method", "zncc"]
    alone = [records(qatm("motb", three, *options, "--seed", seed))[0] for seed in (4, 5)]
    *each, mean = records(qatm("motb", three, *options, "--seed", 4, "--seeds", 2))
    for record in (*alone, *each):
        record.pop("ms_per_pair")
    assert each == alone
    assert mean["seed"] is None
    assert mean["seeds"] == [4, 5]
    assert mean["pairs"] == 12
    for name in ("roc_auc", "precision", "recall", "false_alarm_rate"):
        assert mean[name] == pytest.approx(np.mean([record[name] for record in each]), abs=1e-4)


def test_the_table_of_several_seeds_for_people(three):
    options = ["--processes", 1, "--protocol", "gt-size", "--method", "ssd", "--seeds", 2]
    lines = qatm("motb", three, *options).stdout.splitlines()
    column = lines[0].split().index("seed")
    assert [line.split()[column] for line in lines[1:4]] == ["0", "1", "mean"]
