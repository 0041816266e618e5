from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from eval_pairs import BOTH, qatm, records, refused, write_frame, write_pair, write_three

from qatm.runtime import InputError, read_image
from qatm.runtime.boxes import Box
from qatm.tools.baselines import Method
from qatm.tools.evaluation import processes
from qatm.tools.evaluation.match import contact_sheet as eval_sheet
from qatm.tools.evaluation.match import frame_pairs as pairs
from qatm.tools.evaluation.match import match_figures as eval_records
from qatm.tools.evaluation.match import match_options
from qatm.tools.evaluation.match import match_runs as eval_run
from qatm.tools.evaluation.match.match_runs import Answer, MatchTask, Outcome

OTB_KEYS = {"method", "protocol", "auc", "success50", "mean_iou", "ms_per_pair", "pairs", "failed"}
MOTB_KEYS = {"method", "seed", "roc_auc", "precision", "recall", "pairs", "false_alarm_rate"}


@pytest.fixture(scope="module")
def three(tmp_path_factory, photographs) -> Path:
    """Three tiny pairs of three videos, with different separators."""
    return write_three(tmp_path_factory.mktemp("three"), photographs)


# --- reading pairs


def test_pairs_are_the_two_frames_of_a_number(three):
    found = pairs.read_pairs(three)
    assert found.problems == []
    assert [pair.name for pair in found.pairs] == ["pair0001", "pair0002", "pair0003"]
    first = found.pairs[0]
    assert first.video == "coffee"
    assert first.template.path.name == "pair0001_frm1_coffee_0020.png"
    assert first.search.path.name == "pair0001_frm2_coffee_0120.png"
    assert first.template.box == (80, 60, 40, 36)
    assert first.search.box == (70, 66, 40, 36)
    assert first.search.size == (200, 160)


def test_the_lower_frame_is_the_template_whatever_its_digits(tmp_path, photographs):
    image = photographs["coffee"][:60, :80]
    write_frame(tmp_path, 1, 1, "a_b_2", 995, image, (1, 2, 10, 12))
    write_frame(tmp_path, 1, 2, "a_b_2", 1015, image, (5, 6, 10, 12))
    pair = pairs.read_pairs(tmp_path).pairs[0]
    assert pair.video == "a_b_2"
    assert pair.template.box.x == 1
    assert pair.search.box.x == 5


BROKEN = {
    "no box": (lambda f: (f / "pair0002_frm1_chelsea_0120.txt").unlink(), "two boxes"),
    "no picture": (lambda f: (f / "pair0002_frm2_chelsea_0120.png").unlink(), "two pictures"),
    "empty picture": (
        lambda f: (f / "pair0002_frm2_chelsea_0120.png").write_bytes(b""),
        "is empty",
    ),
    "no image": (
        lambda f: (f / "pair0002_frm1_chelsea_0020.png").write_text("text"),
        "not an image",
    ),
    "outside": (
        lambda f: (f / "pair0002_frm1_chelsea_0120.txt").write_text("500,20,30,30"),
        "outside the 200x160 frame",
    ),
    "three numbers": (
        lambda f: (f / "pair0002_frm1_chelsea_0020.txt").write_text("5,2,3"),
        "x,y,w,h",
    ),
    "no numbers": (
        lambda f: (f / "pair0002_frm1_chelsea_0020.txt").write_bytes(b"\xff\xfe\x00"),
        "x,y,w,h",
    ),
    "no width": (
        lambda f: (f / "pair0002_frm1_chelsea_0020.txt").write_text("5,2,0,9"),
        "width 0",
    ),
    "a folder": (
        lambda f: (
            (f / "pair0002_frm1_chelsea_0020.txt").unlink(),
            (f / "pair0002_frm1_chelsea_0020.txt").mkdir(),
        ),
        "cannot be read",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_unusable_pairs_are_named_skipped_and_counted(kind, tmp_path, photographs):
    for number, name in enumerate(("coffee", "chelsea", "astronaut"), 1):
        write_pair(tmp_path, number, name, photographs[name])
    change, words = BROKEN[kind]
    change(tmp_path)
    result = qatm("otb", tmp_path, "--method", "ssd", "--processes", 1, "--json")
    for record in records(result):
        assert record["pairs"] == 2
        assert record["skipped"] == 1
        assert record["failed"] == 0
    assert result.stderr.startswith("error: skipped pair0002: ")
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_folder_with_nothing_usable_is_refused(tmp_path, photographs):
    refused(qatm("otb", tmp_path / "none"), "is no folder")
    refused(qatm("otb", tmp_path), "holds no pairs")
    write_pair(tmp_path, 1, "coffee", photographs["coffee"])
    (tmp_path / "pair0001_frm1_coffee_0020.txt").unlink()
    refused(qatm("otb", tmp_path), "no usable pair (1 skipped)")
    refused(qatm("motb", tmp_path), "no usable pair (1 skipped)")


def test_strangers_are_of_another_video_and_fit(three):
    found = pairs.read_pairs(three).pairs
    for seed in range(5):
        for pair, other in zip(found, pairs.strangers(found, seed), strict=True):
            assert other is not None
            assert other.video != pair.video
    first = pairs.strangers(found, 0)
    assert any(pairs.strangers(found, seed) != first for seed in range(1, 9))
    assert pairs.strangers(found, 1) == pairs.strangers(found, 1)
    assert pairs.strangers(found[:1], 0) == [None]


# --- the commands


def test_otb_prints_one_object_for_each_method_and_protocol(three):
    got = records(qatm("otb", three, "--method", "ssd,qatm", "--json", "--processes", 1))
    assert [(r["method"], r["protocol"]) for r in got] == [
        (method, protocol) for method in ("ssd", "qatm") for protocol in BOTH
    ]
    for record in got:
        assert record.keys() >= OTB_KEYS
        assert record["pairs"] == 3
        assert record["failed"] == record["skipped"] == 0
        assert record["auc"] > 0.6
        assert record["success50"] == 1
        assert record["ms_per_pair"] > 0
        low, high = record["ci"]["auc"]
        assert low <= record["auc"] <= high


def test_otb_in_processes_gives_the_same(three):
    options = ["--method", "zncc", "--method", "ncc-deep", "--json"]
    alone = records(qatm("otb", three, *options, "--processes", 1))
    shared = records(qatm("otb", three, *options, "--processes", 2))
    for record in (*alone, *shared):
        del record["ms_per_pair"]
    assert alone == shared


def test_one_protocol_can_be_chosen(three):
    result = qatm(
        "otb", three, "--method", "ssd", "--json", "--processes", 1, "--protocol", "template-size"
    )
    assert [record["protocol"] for record in records(result)] == ["template-size"]


def test_motb_tells_present_from_absent(three):
    got = records(qatm("motb", three, "--json", "--processes", 1, "--seed", 3, "--method", "qatm"))
    assert [record["protocol"] for record in got] == BOTH
    for record in got:
        assert record.keys() >= MOTB_KEYS
        assert record["seed"] == 3
        assert record["pairs"] == 6
        assert record["roc_auc"] == 1
        assert record["threshold_from"] == "own"


def test_motb_says_where_a_threshold_comes_from(three):
    options = ("motb", three, "--processes", 1, "--method", "zncc")
    for record in records(qatm(*options, "--json")):
        assert record["threshold_from"] == "best F1 on these data"
        assert record["threshold"] is not None
    lines = qatm(*options).stdout.splitlines()
    assert lines[1].endswith("*")
    assert "best F1 on these data" in lines[-2]


def test_motb_needs_two_videos(tmp_path, photographs):
    write_pair(tmp_path, 1, "coffee", photographs["coffee"])
    refused(qatm("motb", tmp_path, "--processes", 1), "all pairs are of video 'coffee'")


def test_the_table_for_people(three):
    result = qatm("otb", three, "--method", "ncc", "--processes", 1)
    lines = result.stdout.splitlines()
    assert lines[0].split()[:3] == ["method", "protocol", "AUC"]
    assert [line.split()[:2] for line in lines[1:3]] == [["ncc", name] for name in BOTH]
    assert "3 searches a method" in lines[3]


def read_rows(path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_save_writes_csv_curves_and_contact_sheets(three, tmp_path):
    pytest.importorskip("matplotlib")
    folder = tmp_path / "new" / "out"
    assert qatm("otb", three, "--processes", 1, "--save", folder, "--method", "qatm").exit_code == 0
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "otb-pairs.csv",
        "otb-curves.png",
        "otb-worst-qatm-gt-size.jpg",
        "otb-worst-qatm-template-size.jpg",
    }
    rows = read_rows(folder / "otb-pairs.csv")
    assert len(rows) == 6
    assert rows[0]["pair"] == "pair0001"
    assert float(rows[0]["iou"]) > 0.5
    assert rows[0]["found"] == "1"
    for name in names - {"otb-pairs.csv"}:
        picture = read_image(folder / name)
        assert picture.std() > 5
    assert qatm("motb", three, "--processes", 1, "--save", folder, "--method", "ssd").exit_code == 0
    rows = read_rows(folder / "motb-pairs.csv")
    assert [row["present"] for row in rows[:4]] == ["1", "0", "1", "0"]
    assert rows[1]["iou"] == rows[1]["true_x"] == ""
    assert (folder / "motb-curves.png").is_file()


def test_a_folder_that_cannot_be_made_is_refused_before_any_work(three, tmp_path):
    (tmp_path / "file").write_text("")
    refused(qatm("otb", three, "--save", tmp_path / "file"), "cannot be written to")
    refused(qatm("otb", three, "--save", tmp_path / "file" / "below"), "cannot be written to")


def test_unknown_methods_and_models_are_refused(three, tmp_path):
    refused(qatm("otb", three, "--method", "sift"), "'sift' is unknown")
    refused(qatm("otb", three, "--method", " , "), "names no method")
    refused(qatm("otb", three, "--method", "paper-qatm"), "--weights")
    refused(qatm("otb", three, "--model", tmp_path / "none"), "does not exist")
    assert qatm("otb", three, "--protocol", "mine").exit_code == 2
    assert qatm("otb", three, "--processes", 0).exit_code == 2


def test_all_leaves_out_what_cannot_run(three, monkeypatch):
    opened = []

    def open_one(name, options):
        opened.append(name)
        if name == "dim":
            raise InputError("needs scipy")
        return eval_run.open_method("ssd", options)

    monkeypatch.setattr(match_options, "open_method", open_one)
    left_out = []
    request = match_options.EvaluationRequest(methods=("all",))
    names = [variant.method for variant in request.check(left_out.append).variants]
    assert "dim" in opened
    assert "dim" not in names
    assert len(names) == len(opened) - 1
    assert left_out == ["dim is left out: needs scipy"]
    with pytest.raises(InputError, match="scipy"):
        match_options.EvaluationRequest(methods=("all, dim",)).check(left_out.append)


# --- failures


def outcome(overlap=None, score=0.0, present=True, found=None, video="v") -> Outcome:
    view = pairs.FrameView(Path("x_1.png"), Box(1, 2, 3, 4), (40, 30))
    task = MatchTask("pair0001", video, view, view, present)
    if overlap is None:
        return Outcome("m", task, error="TemplateError: too large")
    answers = {name: Answer(Box(1, 2, 3, 4), score, found, overlap) for name in BOTH}
    return Outcome("m", task, answers, 5.0)


def test_a_failure_counts_with_no_overlap():
    record = eval_records.otb_record("m", "gt-size", [outcome(1.0), outcome(None)], skipped=4)
    assert record["auc"] == 0.5
    assert record["mean_iou"] == 0.5
    assert (record["pairs"], record["failed"], record["skipped"]) == (2, 1, 4)
    assert record["ms_per_pair"] == 5.0


def test_a_failure_is_a_wrong_answer_in_motb():
    right = [outcome(1.0, 0.9, found=True), outcome(0.0, 0.1, present=False, found=False)]
    record = eval_records.motb_record("m", "gt-size", 0, right)
    assert (record["roc_auc"], record["precision"], record["recall"]) == (1, 1, 1)
    wrong = [*right, outcome(None), outcome(None, present=False)]
    record = eval_records.motb_record("m", "gt-size", 0, wrong)
    assert record["roc_auc"] == 0.25
    assert record["precision"] == record["recall"] == record["false_alarm_rate"] == 0.5
    assert record["failed"] == 2


def test_records_without_a_success_are_valid_json():
    record = eval_records.otb_record("m", "gt-size", [outcome(None)])
    assert record["auc"] == 0
    json.dumps(record, allow_nan=False)
    record = eval_records.motb_record("m", "gt-size", 0, [outcome(None)])
    assert record["roc_auc"] is None
    json.dumps(record, allow_nan=False)
    assert "-" in eval_records.table_line(record)


class Breaking(Method):
    """A method that fails in one way or another."""

    name = "breaking"

    def __init__(self, how):
        self.how = how

    def encode(self, frame, box):
        return None

    def search(self, encoded, image):
        if self.how == "raises":
            raise MemoryError("no room")

    def place(self, searched, size):
        return eval_run.Found(Box(float("nan"), 0, 1, 1), 0.5)

    def show(self, encoded, image, found):
        return None


@pytest.mark.parametrize(("how", "words"), [("raises", "MemoryError: no room"), ("nan", "nan")])
def test_whatever_a_method_does_is_a_failure_with_a_reason(three, how, words):
    pair = pairs.read_pairs(three).pairs[0]
    task = MatchTask(pair.name, pair.video, pair.template, pair.search)
    got = eval_run.run_task(Breaking(how), task, BOTH)
    assert words in got.error
    assert got.overlap("gt-size") == 0


def test_a_failing_pair_is_named_and_the_others_go_on(tmp_path, photographs):
    write_pair(tmp_path, 1, "coffee", photographs["coffee"])
    image = np.ascontiguousarray(photographs["chelsea"][:160, :200])
    write_frame(tmp_path, 2, 1, "chelsea", 1, image, (10, 10, 180, 140))
    write_frame(tmp_path, 2, 2, "chelsea", 2, image[:60, :70], (10, 10, 40, 40))
    result = qatm("otb", tmp_path, "--method", "bbs", "--json", "--processes", 1)
    for record in records(result):
        assert record["pairs"] == 2
        assert record["failed"] == 1
        assert 0 < record["auc"] <= 0.5
    assert "bbs failed with pair0002: TemplateError" in result.stderr


def test_threads_and_environment_are_put_back(three):
    before = cv2.getNumThreads(), dict(os.environ)
    with processes.runner(1):
        assert cv2.getNumThreads() == 1
    with processes.runner(2):
        assert os.environ["OMP_NUM_THREADS"] == "1"
    assert (cv2.getNumThreads(), dict(os.environ)) == before


# --- contact sheets


def test_the_worst_cases_come_first():
    cases = [outcome(value) for value in (0.5, 0.9, 0.1)] + [outcome(None)]
    assert [o.overlap("gt-size") for o in eval_sheet.worst(cases, "gt-size", 3)] == [0, 0.1, 0.5]
    mixed = [outcome(1, 0.9), outcome(1, 0.2), outcome(0, 0.7, False), outcome(0, 0.1, False)]
    chosen = eval_sheet.worst(mixed, "gt-size", 2)
    assert [(o.task.present, o.answers["gt-size"].score) for o in chosen] == [
        (True, 0.2),
        (False, 0.7),
    ]


def test_sheets_bear_missing_files_and_failures():
    sheet = eval_sheet.contact_sheet([outcome(None), outcome(0.2), outcome(0.3)], "gt-size")
    assert sheet.dtype == np.uint8
    assert sheet.shape[2] == 3
    assert eval_sheet.contact_sheet([], "gt-size").ndim == 3


def test_small_maps_are_stretched():
    values = np.linspace(-3, 9, 400 * 700).reshape(400, 700)
    small = eval_run.small_map(values)
    assert max(small.shape) == eval_run.MAP_SIDE
    assert small.min() <= 2
    assert small.max() >= 253
    assert eval_run.small_map(np.zeros((3, 4))).max() == 0


# --- the research data


@pytest.mark.data
@pytest.mark.slow
def test_cheap_methods_on_the_research_data(data_dir):
    result = qatm("otb", data_dir / "otb105", "--method", "ncc,zncc", "--json", "--processes", 2)
    auc = {(r["method"], r["protocol"]): r["auc"] for r in records(result)}
    assert auc["ncc", "gt-size"] == pytest.approx(0.48, abs=0.03)
    assert auc["zncc", "gt-size"] == pytest.approx(0.54, abs=0.03)
    assert {r["pairs"] for r in records(result)} == {105}


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.skipif(
    os.environ.get("QATM_FULL_TABLE") != "1", reason="takes 20 minutes (QATM_FULL_TABLE=1)"
)
def test_the_full_table(data_dir):
    weights = data_dir.parent / "weights" / "vgg19-conv1_1-conv3_4.npz"
    result = qatm(
        *("otb", data_dir / "otb105", "--method", "all", "--weights", weights, "--json"),
        *("--processes", 2),
    )
    auc = {(r["method"], r["protocol"]): r["auc"] for r in records(result)}
    published = {"ncc": 0.48, "zncc": 0.54, "bbs": 0.55, "ddis": 0.64, "dim": 0.69}
    for method, value in published.items():
        assert auc[method, "gt-size"] == pytest.approx(value, abs=0.03), method
    assert auc["paper-qatm", "gt-size"] == pytest.approx(0.686, abs=0.01)
    for protocol in BOTH:
        others = [value for (name, of), value in auc.items() if of == protocol and name != "qatm"]
        assert auc["qatm", protocol] > max(others)
