"""Tracks are written in three formats and read back."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from peak_memory import counted, output_of

from qatm.runtime import Box, InputError, TrackRecord, TrackWriter, read_tracks
from qatm.runtime.track.records import COLUMNS, KINDS

RECORDS = [
    TrackRecord(0, 0.0, Box(10, 20, 30, 40), 1.0, "tracking"),
    TrackRecord(1, 0.04, Box(-3.25, 0, 30.5, 41.75), 0.4321, "uncertain"),
    TrackRecord(2, 0.08, Box(-3.25, 0, 30.5, 41.75), 0.0, "lost"),
    TrackRecord(5, 0.2, Box(11, 21, 30, 40), 0.81, "tracking"),
]
NAMED = [TrackRecord(r.frame, r.time, r.box, r.score, r.state, r.frame % 2) for r in RECORDS]


def written(path, records):
    with TrackWriter(path) as writer:
        for record in records:
            writer.write(record)
    return path


@pytest.mark.parametrize("suffix", [s for s, kind in KINDS.items() if kind != "mot"])
@pytest.mark.parametrize("records", [RECORDS, NAMED])
def test_written_is_read(tmp_path, suffix, records):
    assert read_tracks(written(tmp_path / f"tracks{suffix}", records)) == records


@pytest.mark.parametrize("suffix", [".txt", ".mot"])
def test_mot_has_neither_time_nor_lost_frames(tmp_path, suffix):
    found = [r for r in NAMED if r.state != "lost"]
    expected = [TrackRecord(r.frame, None, r.box, r.score, "tracking", r.id) for r in found]
    assert read_tracks(written(tmp_path / f"tracks{suffix}", NAMED)) == expected


def test_lines_as_documented(tmp_path):
    record = TrackRecord(12, 0.48, Box(9.004, 20, 30, 40), 0.81, "tracking")
    lines = {
        kind: written(tmp_path / f"tracks.{kind}", [record]).read_text().splitlines()[-1]
        for kind in ("jsonl", "csv", "txt")
    }
    assert lines["jsonl"] == (
        '{"frame": 12, "time": 0.48, "box": [9.0, 20.0, 30.0, 40.0], '
        '"score": 0.81, "state": "tracking"}'
    )
    assert lines["csv"] == "12,0.48,,9.0,20.0,30.0,40.0,0.81,tracking,"
    assert lines["txt"] == "13,1,10.0,21.0,30.0,40.0,0.81,-1,-1,-1"
    header = (tmp_path / "tracks.csv").read_text().splitlines()[0]
    assert header == ",".join(COLUMNS)


def test_id_is_named_among_several():
    assert list(NAMED[0].as_dict()) == ["frame", "time", "id", "box", "score", "state"]
    assert "id" not in RECORDS[0].as_dict()


def test_names_are_written_where_there_are_any(tmp_path):
    record = TrackRecord(7, 0.28, Box(1, 2, 3, 4), 0.9, "tracking", 1, name='a "blue", cup')
    plain = TrackRecord(7, 0.28, Box(5, 6, 7, 8), 0.8, "tracking", 2)
    for kind in ("jsonl", "csv"):
        assert read_tracks(written(tmp_path / f"tracks.{kind}", [record, plain])) == [record, plain]
    assert list(record.as_dict()) == ["frame", "time", "id", "template", "box", "score", "state"]
    assert "template" not in plain.as_dict()
    lines = (tmp_path / "tracks.csv").read_text().splitlines()
    assert lines[0].endswith(",state,template")
    assert lines[1].endswith(',0.9,tracking,"a ""blue"", cup"')
    broken = TrackRecord(8, 0.3, Box(1, 2, 3, 4), 0.9, "tracking", name="two\r\nlines\0")
    assert read_tracks(written(tmp_path / "a.csv", [broken]))[0].name == "two lines"
    assert read_tracks(written(tmp_path / "a.jsonl", [broken])) == [broken]


def test_a_name_that_was_cut_off_is_no_name(tmp_path, caplog):
    records = [
        TrackRecord(n, n / 25, Box(1, 2, 3, 4), 0.9, "tracking", name="cup") for n in range(2)
    ]
    path = written(tmp_path / "tracks.csv", records)
    path.write_bytes(path.read_bytes()[:-3])
    assert read_tracks(path) == records[:1]
    assert "cut off in line 3" in caplog.text


def test_files_without_names_are_read(tmp_path):
    path = tmp_path / "older.csv"
    path.write_text("frame,time,id,x,y,w,h,score,state\n0,0.0,3,1.0,2.0,3.0,4.0,0.5,tracking\n")
    assert read_tracks(path) == [TrackRecord(0, 0.0, Box(1, 2, 3, 4), 0.5, "tracking", 3)]


@given(
    st.lists(
        st.builds(
            TrackRecord,
            frame=st.integers(0, 10**9),
            time=st.none() | st.floats(0, 1e6).map(lambda value: round(value, 4)),
            box=st.builds(
                Box,
                *[st.floats(-1e4, 1e4).map(lambda value: round(value, 2))] * 2,
                *[st.floats(0.01, 1e4).map(lambda value: round(value, 2))] * 2,
            ),
            score=st.floats(0, 1).map(lambda value: round(value, 4)),
            state=st.sampled_from(["tracking", "uncertain", "lost"]),
            id=st.none() | st.integers(0, 1000),
            name=st.text(st.characters(codec="utf-8"), max_size=20).map(
                lambda name: " ".join(name.replace("\0", " ").split())
            ),
        ),
        max_size=5,
    ),
    st.sampled_from(["jsonl", "csv"]),
)
def test_any_records_come_back(tmp_path_factory, records, kind):
    path = tmp_path_factory.mktemp("any") / f"tracks.{kind}"
    assert read_tracks(written(path, records)) == records


WHOLE = st.one_of(
    st.integers(-3, 10**400),
    *[
        st.integers(np.iinfo(kind).min, np.iinfo(kind).max).map(kind)
        for kind in (np.uint8, np.int8, np.uint16, np.int32, np.int64, np.uint64)
    ],
)
SIDE = st.floats(-1, 2e6) | st.floats(0, 0.02) | st.floats(0, 300, width=32).map(np.float32)
REAL = st.floats(-2e6, 2e6) | st.floats(-200, 200)
ODD_RECORDS = st.builds(
    TrackRecord,
    frame=WHOLE,
    time=st.none() | REAL,
    box=st.builds(Box, REAL, REAL, SIDE, SIDE),
    score=st.floats(-0.5, 1.5),
    state=st.sampled_from(["tracking", "uncertain", "lost", "gone"]),
    id=st.none() | WHOLE,
    angle=st.none() | REAL,
    scale=st.none() | REAL,
    corners=st.none() | st.tuples(*[st.tuples(REAL, REAL)] * 4),
)


@given(ODD_RECORDS, st.sampled_from(["jsonl", "csv", "mot"]))
@example(TrackRecord(np.uint8(255), 0, Box(1, 2, 3, 4), 1, "tracking"), "mot")  # pyright: ignore
@example(TrackRecord(7, 0, Box(1, 2, 3, 4), 1, "tracking", np.uint16(65535)), "mot")  # pyright: ignore
@example(TrackRecord(np.int64(5), 0, Box(1, 2, 3, 4), 1, "tracking"), "jsonl")  # pyright: ignore
@example(TrackRecord(1 << 63, 0, Box(1, 2, 3, 4), 1, "tracking", 1 << 63), "mot")
@example(TrackRecord(1 << 64, 0, Box(1, 2, 3, 4), 1, "tracking"), "csv")
@example(TrackRecord(0, 0, Box(1, 2, 0.004, 4), 1, "tracking"), "csv")
@example(TrackRecord(0, 0, Box(1, 2, 3, 1e-9), 1, "tracking"), "mot")
def test_what_is_taken_is_read_again(tmp_path_factory, record, kind):
    path = tmp_path_factory.mktemp("odd") / f"tracks.{kind}"
    try:
        written(path, [record])
    except InputError:
        assert not path.stat().st_size
        return
    got = read_tracks(path)
    if kind == "mot" and record.state == "lost":
        assert got == []
        return
    (again,) = got
    number = int(record.id or 0) if kind == "mot" or record.id is not None else None
    assert (again.frame, again.id) == (int(record.frame), number)
    assert np.allclose(again.box, record.box, rtol=0, atol=0.011)
    assert min(again.box.w, again.box.h) > 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("frame", 1 << 64),
        pytest.param("frame", 10**5000, id="frame-longest"),
        ("frame", -1),
        ("id", (1 << 63) + 1),
        ("id", -3),
        ("angle", 181),
        ("scale", -1),
        ("scale", 2e6),
        ("corners", ((0, 0), (1, 0), (1, 1), (0, 3e6))),
        ("corners", ((0, 0), (1, 0), (1, 1), (0, None))),
    ],
)
@pytest.mark.parametrize("kind", ["jsonl", "csv", "mot"])
def test_what_could_not_be_read_again_is_refused(tmp_path, field, value, kind):
    with (
        TrackWriter(tmp_path / f"a.{kind}") as writer,
        pytest.raises(InputError, match=field.removesuffix("s")),
    ):
        writer.write(replace(RECORDS[0], **{field: value}))


def test_each_line_is_there_at_once(tmp_path):
    with TrackWriter(tmp_path / "tracks.jsonl") as writer:
        for count, record in enumerate(RECORDS, 1):
            writer.write(record)
            assert len(read_tracks(writer.path)) == count


def test_old_file_stays_until_there_is_a_record(tmp_path):
    path = written(tmp_path / "tracks.csv", RECORDS)
    TrackWriter(path).close()
    assert read_tracks(path) == RECORDS
    assert read_tracks(written(path, RECORDS[:1])) == RECORDS[:1]


def test_kind_may_differ_from_the_ending(tmp_path):
    path = tmp_path / "tracks.log"
    with TrackWriter(path, "jsonl") as writer:
        writer.write(RECORDS[0])
    assert json.loads(path.read_text())["box"] == [10, 20, 30, 40]
    assert read_tracks(path, "jsonl") == RECORDS[:1]
    with pytest.raises(InputError, match=r"tracks\.log must end in"):
        read_tracks(path)
    with pytest.raises(InputError, match="kind 'xml'"):
        TrackWriter(path, "xml")  # pyright: ignore[reportArgumentType]


HEAD = ",".join(COLUMNS)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "0,0.0,,1,2,3,4,0.5,tracking,\n1,0.1,,1,2,3,4,0.5,tracking,\n", "not the header"),
        (
            "a.csv",
            f"{HEAD.replace('x,y,w,h', 'w,h,x,y')}\n0,0.0,,1,2,3,4,0.5,lost,\n",
            "not the he",
        ),
        (
            "a.csv",
            "1,1,2,3,4,5,0.9,-1,-1,-1\n",
            "line 1: '1,1,2,3,4,5,0.9,-1,-1,-1' is not the header",
        ),
        ("a.csv", "nothing of that kind", "not the header"),
        ("a.csv", f"{HEAD}\nnothing of that kind", "line 2: .* is no csv track"),
        ("a.csv", f"{HEAD}\n0,0.0,,1,2,3,4,0.5,tracking\n", "is no csv track"),
        ("a.jsonl", "nothing of that kind", "line 1: .* is no jsonl track"),
        (
            "a.json",
            '[{"frame": 0, "time": 0, "box": [1, 2, 3, 4]}]',
            "line 1: .* is no jsonl track",
        ),
        ("a.txt", "nothing of that kind", "line 1: .* is no mot track"),
    ],
)
def test_what_is_no_file_of_tracks_is_not_taken_for_one_that_was_cut_off(
    tmp_path, name, text, words
):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=words):
        read_tracks(tmp_path / name)


def test_headers_of_earlier_versions_and_of_other_programs_are_read(tmp_path):
    path = tmp_path / "a.csv"
    older = ",".join(COLUMNS[:-1])
    path.write_bytes(f"\ufeff{older}\r\n0,0.0,,1,2,3,4,0.5,lost\r\n".encode())
    assert [record.box for record in read_tracks(path)] == [Box(1, 2, 3, 4)]
    path.write_text(HEAD[:20])
    assert read_tracks(path) == []


def test_a_number_that_was_cut_off_is_no_number(tmp_path, caplog):
    path = tmp_path / "a.txt"
    line = "{},1,2.0,3.0,3.0,4.0,0.95,-1,-1,-1"
    path.write_text(f"{line.format(1)}\n{line.format(2)[:23]}")
    assert path.read_text().endswith(",0.9")
    with caplog.at_level(logging.WARNING):
        assert [record.score for record in read_tracks(path)] == [0.95]
    assert "cut off in line 2" in caplog.text
    # Other programs leave the end of the last line out.
    path.write_text(f"{line.format(1)}\n{line.format(2)}")
    assert len(read_tracks(path)) == 2


@pytest.mark.parametrize("kind", ["jsonl", "csv", "txt"])
def test_last_line_that_was_cut_off(tmp_path, caplog, kind):
    path = written(tmp_path / f"tracks.{kind}", RECORDS)
    whole = read_tracks(path)
    path.write_bytes(path.read_bytes()[:-15])
    with caplog.at_level(logging.WARNING):
        assert read_tracks(path) == whole[:-1]
    assert "cut off" in caplog.text


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("a.jsonl", "[1, 2]"),
        ("a.jsonl", "{}"),
        ("a.jsonl", '{"frame": 1, "time": 0, "box": [1, 2, 3], "score": 1, "state": "lost"}'),
        ("a.jsonl", '{"frame": 1, "time": 0, "box": [1, 2, 3, 4], "score": 1, "state": "gone"}'),
        ("a.csv", "1,2,3"),
        ("a.csv", "1,2,3,4,5,6,7,8,gone"),
        ("a.csv", '1,2,3,4,5,6,7,8,lost,"a" b'),
        ("a.csv", f"1,2,3,4,5,6,7,0.8,lost,{'a' * 1001}"),
        ("a.csv", "1,2,3,4,5,6,7,0.8,lost,a,b"),
        (
            "a.jsonl",
            '{"frame": 1, "time": 0, "box": [1, 2, 3, 4], "score": 1, "state": "lost", '
            '"template": 3}',
        ),
        ("a.txt", "1,1,2,3,x,5,1"),
        ("a.txt", "1,1,2"),
    ],
)
def test_bad_line_is_named(tmp_path, name, line):
    path = written(tmp_path / name, RECORDS[:1])
    number = len(path.read_text().splitlines()) + 1
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(InputError, match=rf"{name}, line {number}: "):
        read_tracks(path)


def test_files_that_cannot_be_used(tmp_path):
    with pytest.raises(InputError, match=r"none\.csv cannot be read"):
        read_tracks(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not a text file"):
        read_tracks(tmp_path / "binary.csv")
    with pytest.raises(OSError, match="cannot be written") as caught:
        TrackWriter(tmp_path / "none" / "tracks.csv")
    assert caught.value.filename == str(tmp_path / "none" / "tracks.csv")


@pytest.mark.parametrize(
    ("name", "line", "words"),
    [
        (
            "a.jsonl",
            '{"frame": 0, "time": NaN, "box": [1,2,3,4], "score": 1, "state": "lost"}',
            "NaN",
        ),
        (
            "a.jsonl",
            '{"frame": 0, "time": 1e999, "box": [1,2,3,4], "score": 1, "state": "lost"}',
            "too large",
        ),
        (
            "a.jsonl",
            '{"frame": 0, "time": 0, "box": [1,2,3,4], "score": 7, "state": "lost"}',
            "score",
        ),
        (
            "a.jsonl",
            '{"frame": 0.5, "time": 0, "box": [1,2,3,4], "score": 1, "state": "lost"}',
            "frame",
        ),
        (
            "a.jsonl",
            '{"frame": true, "time": 0, "box": [1,2,3,4], "score": 1, "state": "lost"}',
            "frame",
        ),
        (
            "a.jsonl",
            '{"frame": 0, "time": 0, "box": [1,2,3,4], "score": 1, "state": ["lost"]}',
            "state",
        ),
        ("a.jsonl", "[" * 50_000 + "]" * 10_000, "more than 32 objects or lists"),
        ("a.jsonl", '{"frame": ' + "1" * 70_000 + "}", "more than 65536"),
        ("a.csv", "0,nan,,1,2,3,4,0.5,tracking", "time is nan"),
        ("a.csv", "0,1,,1,2,3,4,inf,tracking", "score is inf"),
        ("a.csv", "-1,1,,1,2,3,4,0.5,tracking", "frame is -1"),
        ("a.mot", "1,1,1,2,3,4,nan,-1,-1,-1", "score is nan"),
        ("a.mot", "1,1,1,2,3,inf,1,-1,-1,-1", "not finite"),
    ],
)
def test_numbers_that_no_tracker_writes(tmp_path: Path, name: str, line: str, words: str) -> None:
    head = "frame,time,id,x,y,w,h,score,state\n" if name.endswith("csv") else ""
    (tmp_path / name).write_text(f"{head}{line}\n")
    with pytest.raises(InputError, match=words) as caught:
        read_tracks(tmp_path / name)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("name", "head", "line", "each"),
    [
        ("a.csv", "frame,time,id,x,y,w,h,score,state\n", "1,1,1,1,2,3,4,0.5,lost\n", 1),
        ("a.mot", "", "1,1,1,2,3,4,0.5\n", 1),
        ("a.jsonl", "", "\n", 0),
    ],
)
def test_more_lines_than_are_accepted(tmp_path, monkeypatch, name, head, line, each):
    (tmp_path / name).write_text(head + line * 4)
    monkeypatch.setenv("QATM_MAX_TRACK_LINES", "4")
    assert len(read_tracks(tmp_path / name)) == 4 * each
    monkeypatch.setenv("QATM_MAX_TRACK_LINES", "3")
    with pytest.raises(InputError, match=rf"{name} has more than .* set QATM_MAX_TRACK_LINES to"):
        read_tracks(tmp_path / name)


MANY = """
import sys
from qatm.runtime import InputError, read_tracks
before = peak()
try:
    print(len(read_tracks(sys.argv[1])))
except InputError as error:
    print(error)
print(peak() - before)
"""


@counted
@pytest.mark.parametrize("longest", [False, True], ids=["ours", "every name another"])
def test_memory_of_a_large_file_follows_its_lines(tmp_path, longest):
    path = tmp_path / "a.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number in range(80_000 if longest else 50_000):
            name = f"{number} \N{WATERMELON}".ljust(900, "x") if longest else "mug"
            record = TrackRecord(number, 0.5, Box(1.5, 2.5, 3.5, 4.5), 0.5, "lost", 3, name=name)
            file.write(record.to_json().ljust(1300) + "\n")
    assert path.stat().st_size > 50 << 20
    said, grown = output_of(MANY, str(path))
    assert said.endswith("more than 65,536 names of objects") if longest else said == "50000"
    # Four bytes a character of a name with a melon; of ours, less than the file has.
    assert int(grown) < (330 if longest else 50)


def test_a_sure_pose_is_written_as_json_and_read_back(tmp_path):
    corners = ((1.5, 2.0), (31.5, 4.0), (29.5, 44.0), (-0.5, 42.0))
    record = TrackRecord(
        3, 0.1, Box(0, 2, 31, 42), 0.9, "tracking", None, True, -4.25, 1.5, corners
    )
    path = tmp_path / "tracks.jsonl"
    with TrackWriter(path) as writer:
        writer.write(record)
    assert read_tracks(path) == [record]
    path.write_text(path.read_text().replace("31.5", "null"))
    with pytest.raises(InputError, match="line 1"):
        read_tracks(path)
