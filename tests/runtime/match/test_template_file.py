"""Templates that somebody else saved: checked when they are read, and against the bundle."""

from __future__ import annotations

import copy
import io
import pickle
import struct
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qatm.runtime import InputError, Matcher, Template, TemplateError
from qatm.runtime.match.template_file import pose_data
from qatm.runtime.saved_arrays import read_arrays

Arrays = dict[str, Any]


@pytest.fixture(scope="module")
def matcher() -> Iterator[Matcher]:
    with Matcher(device="cpu", threads=1) as opened:
        yield opened


@pytest.fixture(scope="module")
def saved(matcher: Matcher, photographs: dict[str, Any], tmp_path_factory: Any) -> Path:
    image = np.ascontiguousarray(photographs["astronaut"][:200, :240])
    template = matcher.encode_template(image, (90, 60, 60, 50), rotation=30)
    return template.save(tmp_path_factory.mktemp("saved") / "t.npz")


def written(folder: Path, arrays: Arrays) -> Path:
    with (folder / "changed.npz").open("wb") as file:
        np.savez(file, **arrays)
    return folder / "changed.npz"


def put(name: str, at: Any, value: Any) -> Callable[[Arrays], None]:
    def change(arrays: Arrays) -> None:
        arrays[name] = arrays[name].copy()
        arrays[name][at] = value

    return change


def replaced(name: str, make: Callable[[Any], Any]) -> Callable[[Arrays], None]:
    def change(arrays: Arrays) -> None:
        arrays[name] = make(arrays[name])

    return change


def test_a_template_is_copied_and_saved_while_others_look_for_new_turns(
    matcher: Matcher, saved: Path, tmp_path: Path
) -> None:
    template = Template.load(saved)
    (key, posed), *_ = template.poses.items()
    ended, problems = threading.Event(), list[Exception]()

    def turn() -> None:
        while not ended.is_set():
            for step in range(2000):
                template.poses[step / 10, 1.0] = posed
            template.poses.clear()
            template.poses[key] = posed
            # What is computed from the fields is kept beside them, for copies to stumble over.
            for name in ("pixels", "core", "turned_squares", "grain", "tint", "plane"):
                vars(template).pop(name, None)
                vars(template)[name] = None

    def copied() -> Iterator[Template]:
        yield copy.deepcopy(template)
        yield pickle.loads(pickle.dumps(template))
        yield copy.copy(template)

    thread = threading.Thread(target=turn)
    thread.start()
    try:
        for _ in range(60):
            try:
                for each in copied():
                    assert np.array_equal(each.levels[0].fine.rows, template.levels[0].fine.rows)
                    assert "plane" not in vars(each)
                pose_data(template.poses)
            except RuntimeError as error:
                problems.append(error)
    finally:
        ended.set()
        thread.join()
    assert not problems
    again = pickle.loads(pickle.dumps(template))
    assert Template.load(again.save(tmp_path / "again.npz")).poses.keys() == template.poses.keys()
    assert again.plane, "computed anew"


def test_a_name_that_no_file_keeps_is_not_saved(saved: Path, tmp_path: Path) -> None:
    template = replace(Template.load(saved), name="a\0")
    with pytest.raises(InputError, match="NUL"):
        template.save(tmp_path / "t.npz")
    assert not list(tmp_path.iterdir())


DAMAGES: dict[str, Callable[[Arrays], Any]] = {
    "no rows": lambda arrays: arrays.pop("fine0_rows"),
    "not a number": put("fine0_rows", (0, 0), np.nan),
    "beyond squares": put("coarse0_rows", (0, 0), 1e30),
    "fewer rows": replaced("fine0_rows", lambda rows: rows[:-1]),
    "fewer channels": replaced("fine0_rows", lambda rows: rows[:, :-1]),
    "no target": replaced("fine0_target", np.zeros_like),
    "target of halves": put("fine0_target", 0, 0.5),
    "competitors first": replaced("fine0_target", lambda target: target[::-1].copy()),
    "another footprint": put("fine0_footprint", (0, 0), 0),
    "flat footprint": replaced("coarse0_footprint", np.ravel),
    "offset": put("coarse0_offset", 0, np.inf),
    "no scales": replaced("scales", lambda scales: scales[:0]),
    "rising scales": replaced("scales", lambda scales: scales * 0 + 1),
    "scale of nothing": put("scales", -1, 0),
    "negative size": put("size", 0, -3),
    "elongated": put("size", 0, 1e6),
    "size of three": replaced("size", lambda size: np.append(size, 1)),
    "model of numbers": replaced("model", lambda _: np.array(3)),
    "inside of texts": replaced("inside", lambda _: np.array("yes")),
    "view of floats": replaced("view", lambda view: view.astype(np.float32)),
    "view without colour": replaced("view", lambda view: view[..., 0]),
    "box outside": put("view_about", 0, 1e5),
    "other box": put("view_about", 2, 5),
    "zoom": put("view_about", 4, 0),
    "poses of nothing": put("poses", (0, 3), 0),
    "poses of more": put("poses", (0, 3), 10**6),
    "poses of parts": put("poses", (0, 3), 1.5),
    "stride": put("poses", (0, 2), 0),
    "pose cells": put("pose_cells", (0, 0), 1 << 40),
    "pose rows": replaced("pose_rows", lambda rows: rows[:-1]),
    "pose rows beyond squares": put("pose_rows", (0, 0), 3e38),
    "sum of squares": put("fine0_rows", slice(None), 1e18),
    "format": replaced("format", lambda _: np.array([2, 2])),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_is_damaged_is_refused_when_it_is_read(name: str, saved: Path, tmp_path: Path) -> None:
    arrays = dict(read_arrays(saved))
    DAMAGES[name](arrays)
    with pytest.raises(TemplateError, match=r"changed\.npz cannot be read \(.*encode it again"):
        Template.load(written(tmp_path, arrays))


def test_what_fits_itself_but_not_the_bundle(
    saved: Path, tmp_path: Path, matcher: Matcher, photographs: dict[str, Any]
) -> None:
    image = photographs["astronaut"]
    assert matcher.match(image, templates=[Template.load(saved)])[0].found
    narrow = {
        name: array[:, :-1] if name.endswith("rows") else array
        for name, array in read_arrays(saved).items()
    }
    with pytest.raises(TemplateError, match="of 175 channels, where this bundle has 176"):
        matcher.match(image, templates=[Template.load(written(tmp_path, narrow))])
    large = dict(read_arrays(saved))
    shape = large["coarse0_footprint"].shape
    large["coarse0_footprint"] = np.pad(large["coarse0_footprint"], ((0, 40), (0, 0)))
    with pytest.raises(TemplateError, match=rf"{shape[1]}x{shape[0] + 40} patches"):
        matcher.match(image, templates=[Template.load(written(tmp_path, large))])


def archive(folder: Path, name: str, content: bytes) -> Path:
    """A compressed archive of one array."""
    with zipfile.ZipFile(folder / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(f"{name}.npy", content)
    return folder / "bomb.npz"


def test_arrays_that_are_not_there_take_no_memory(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"shape": (1 << 40,), "fortran_order": False, "descr": "<f8"}
    )
    with pytest.raises(TemplateError, match=r"array 'rows' of shape .* has 8 bytes"):
        Template.load(archive(tmp_path, "rows", header.getvalue() + bytes(8)))
    zeros = io.BytesIO()
    np.save(zeros, np.zeros(1 << 26, np.float32))
    with pytest.raises(TemplateError, match=r"268,435,584 bytes unpacked.*QATM_MAX_SAVED_BYTES"):
        Template.load(archive(tmp_path, "rows", zeros.getvalue()))


def test_an_archive_that_says_less_than_it_holds(tmp_path: Path) -> None:
    content = io.BytesIO()
    np.save(content, np.zeros(1 << 20, np.float32))
    file = archive(tmp_path, "rows", content.getvalue())
    data = bytearray(file.read_bytes())
    size = struct.pack("<I", len(content.getvalue()))
    while (at := data.find(size)) >= 0:
        data[at : at + 4] = struct.pack("<I", 200)
    file.write_bytes(bytes(data))
    with pytest.raises(TemplateError, match=r"cannot be read"):
        Template.load(file)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    file = tmp_path / "pickled.npz"
    np.savez(file, format=np.array([print], object), allow_pickle=True)
    with pytest.raises(TemplateError, match="cannot be read"):
        Template.load(file)


def test_a_template_of_a_single_pixel_is_looked_for_at_other_angles(
    matcher: Matcher, photographs: dict[str, Any]
) -> None:
    image = np.ascontiguousarray(photographs["astronaut"][:100, :120])
    template = matcher.encode_template(image, (50, 40, 1, 1))
    found = matcher.match(image, templates=[template], rotation=90)[0]
    assert 0 <= found.score <= 1


def test_the_variable_is_named_that_raises_a_limit(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("QATM_MAX_FILE_BYTES", "QATM_MAX_SAVED_BYTES"):
        with monkeypatch.context() as patch:
            patch.setenv(variable, "1000")
            with pytest.raises(TemplateError, match=rf"1,000 .*; set {variable} to accept more"):
                Template.load(saved)


@pytest.mark.parametrize("name", ["\ud800", "a" * 1001, "a\0", 5])
def test_a_name_that_no_file_keeps_is_refused(
    matcher: Matcher, photographs: dict[str, Any], name: Any
) -> None:
    with pytest.raises(InputError, match="name "):
        matcher.encode_template(photographs["astronaut"], (90, 60, 60, 50), name=name)


def test_a_mask_is_a_plain_array(matcher: Matcher, photographs: dict[str, Any]) -> None:
    odd: Any
    for odd in (((1, 2), 3), range(10**18), np.ma.ones((50, 60), bool)):
        with pytest.raises(TemplateError, match=r"mask is .*; give a plain numpy array"):
            matcher.encode_template(photographs["astronaut"], (90, 60, 60, 50), odd)
