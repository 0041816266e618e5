"""Damaged bundles, ONNX files, templates and trackers, and odd calls, used as far as they go."""

from __future__ import annotations

import json
import shutil
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import cv2
import numpy as np
import onnx
from file_trials import Trial
from mutations import (
    ODD_NUMBERS,
    damaged_arrays,
    damaged_bytes,
    damaged_json,
    damaged_json_text,
    damaged_members,
    odd_box,
    odd_picture,
)
from small_bundle import small_bundle

from qatm.runtime import Matcher, Session, Template, Tracker
from qatm.runtime.bundle.folder import MANIFEST, default_bundle_path

WIDTH, HEIGHT = 96, 72
BOX = (16, 16, 40, 40)
WHOLE = 0.1
"""Of the graphs that are damaged, how many are the package's own; the others take less time."""

GRAPHS = ("features.onnx", "match.onnx")


def picture() -> Any:
    """A small picture with structure."""
    noise = np.random.default_rng(0).integers(0, 255, (9, 12, 3), dtype=np.uint8)
    return cv2.resize(noise, (WIDTH, HEIGHT))


def _arrays(path: Path) -> dict[str, Any]:
    with np.load(path) as saved:
        return {name: saved[name] for name in saved.files}


def _write_arrays(path: Path, arrays: dict[str, Any]) -> None:
    with path.open("wb") as file:
        np.savez(file, **arrays)


def template_trials(folder: Path) -> Trial:
    image = picture()
    matcher = Matcher(small_bundle(folder / "bundle"), device="cpu", threads=1)
    path = folder / "seed.npz"
    matcher.encode_template(image, BOX, rotation=30).save(path)
    data, arrays = path.read_bytes(), _arrays(path)

    def trial(dice: Random) -> None:
        path = folder / "x.npz"
        what = dice.random()
        if what < 0.5:
            _write_arrays(path, damaged_arrays(dice, arrays))
        elif what < 0.7:
            path.write_bytes(damaged_members(dice, data))
        else:
            path.write_bytes(damaged_bytes(dice, data))
        template = Template.load(path)
        matcher.match(image, templates=[template])
        if dice.random() < 0.2:
            poses: dict[str, Any] = {"rotation": 20, "scale": 1.3, "fit": "homography"}
            matcher.match(image, templates=[template], **poses)
        if dice.random() < 0.2:
            with Tracker(matcher.session) as tracker:
                tracker.init(image, template=template)
                tracker.update(image)
        template.save(folder / "y.npz")

    return trial


def tracker_trials(folder: Path) -> Trial:
    image = picture()
    session = Session(small_bundle(folder / "bundle"), "cpu", threads=1)
    path = folder / "seed.npz"
    with Tracker(session) as tracker:
        tracker.init(image, BOX)
        for index in range(8):
            tracker.update(np.roll(image, index, 1))
        tracker.update(image[::-1].copy())
        tracker.save(path)
    data, arrays = path.read_bytes(), _arrays(path)

    def trial(dice: Random) -> None:
        path = folder / "x.npz"
        what = dice.random()
        if what < 0.4:
            _write_arrays(path, damaged_arrays(dice, arrays))
        elif what < 0.8:
            name = dice.choice(("state", "state", "state", "options"))
            text = json.dumps(damaged_json(dice, json.loads(str(arrays[name]))))
            _write_arrays(path, {**arrays, name: np.asarray(text)})
        elif what < 0.9:
            path.write_bytes(damaged_members(dice, data))
        else:
            path.write_bytes(damaged_bytes(dice, data))
        with Tracker.load(path, session) as tracker:
            for frame in (image, image[::-1].copy(), image[:60, :60].copy(), image):
                tracker.update(frame)
            tracker.save(folder / "y.npz")

    return trial


def _use(folder: Path, image: Any, dice: Random) -> None:
    """Open a bundle and find something with it."""
    with Session(folder, "cpu", threads=1) as session, Matcher(session) as matcher:
        matcher.info.as_dict()
        matcher.set_template(image, BOX)
        matcher.match(image)
        if dice.random() < 0.3:
            with Tracker(session) as tracker:
                tracker.init(image, BOX)
                tracker.update(image[::-1].copy())


def manifest_trials(folder: Path) -> Trial:
    image = picture()
    copy = small_bundle(folder / "bundle")
    manifest = json.loads((copy / MANIFEST).read_text())

    def trial(dice: Random) -> None:
        (copy / MANIFEST).write_bytes(damaged_json_text(dice, manifest))
        _use(copy, image, dice)

    return trial


def graph_trials(folder: Path) -> Trial:
    image = picture()
    whole = folder / "whole"
    shutil.copytree(default_bundle_path(), whole)
    seeds = {
        copy: {name: (copy / name).read_bytes() for name in (*GRAPHS, MANIFEST)}
        for copy in (whole, small_bundle(folder / "small"))
    }

    def trial(dice: Random) -> None:
        copy = folder / ("whole" if dice.random() < WHOLE else "small")
        name = dice.choice(GRAPHS)
        good = seeds[copy]
        if dice.random() < 0.4:
            changed = damaged_bytes(dice, good[name], dice.choice((200, 4000, None)))
        else:
            model = onnx.ModelProto.FromString(good[name])
            for _ in range(dice.choice((1, 1, 2))):
                _damage_graph(dice, model.graph)
            changed = model.SerializeToString()
        (copy / name).write_bytes(changed)
        (copy / MANIFEST).write_bytes(_sealed(good[MANIFEST], good[name], changed))
        try:
            _use(copy, image, dice)
        finally:
            for each in (name, MANIFEST):
                (copy / each).write_bytes(good[each])

    return trial


def _sealed(manifest: bytes, before: bytes, after: bytes) -> bytes:
    """The text of a manifest that agrees with a changed file."""
    for words in (lambda data: sha256(data).hexdigest(), lambda data: f'"bytes": {len(data)}'):
        manifest = manifest.replace(words(before).encode(), words(after).encode())
    return manifest


def _damage_graph(dice: Random, graph: Any) -> None:
    node = dice.choice(graph.node)
    what = dice.randrange(7)
    if what == 0:
        graph.node.remove(node)
    elif what == 1 and node.input:
        others = [tensor.name for tensor in graph.initializer] + [graph.input[0].name]
        node.input[dice.randrange(len(node.input))] = dice.choice(others)
    elif what == 2:
        node.op_type = dice.choice(("Relu", "Abs", "Identity", "Exp", "Conv", "Loop", "NoSuch"))
    elif what == 3 and node.attribute:
        attribute = dice.choice(node.attribute)
        if attribute.ints:
            attribute.ints[dice.randrange(len(attribute.ints))] = dice.choice((0, -1, 2, 99, 2**40))
        else:
            attribute.i = dice.choice((0, -1, 5, 2**40))
    elif what == 4:
        kept = dice.choice([tensor for tensor in graph.initializer if tensor.raw_data])
        kept.raw_data = damaged_bytes(dice, kept.raw_data)
    elif what == 5:
        value = dice.choice((*graph.input, *graph.output)).type.tensor_type
        value.elem_type = dice.choice((1, 2, 7, 10, 11))
    else:
        tensor = dice.choice(graph.initializer)
        tensor.dims[:] = [dice.choice((0, 1, 3, 10**6)) for _ in tensor.dims]


def call_trials(folder: Path) -> Trial:
    session = Session(small_bundle(folder / "bundle"), "cpu", threads=1)
    matcher, tracker = Matcher(session), Tracker(session)
    image = picture()
    template = matcher.encode_template(image, BOX)

    def odd(dice: Random, usual: Any) -> Any:
        strange = (*ODD_NUMBERS, "x", (1, 2), [], (0, 1e6, 1e6, 1), object(), b"x")
        return usual if dice.random() < 0.7 else dice.choice(strange)

    def trial(dice: Random) -> None:
        scene = odd_picture(dice) if dice.random() < 0.6 else image
        box = odd_box(dice)
        what = dice.randrange(4)
        if what == 0:
            found = matcher.encode_template(scene, box, odd(dice, None))
            matcher.match(odd_picture(dice), templates=[found])
        elif what == 1:
            region = box if dice.random() < 0.3 else None
            poses = {"rotation": odd(dice, None), "scale": odd(dice, None)}
            matcher.match(scene, templates=[template], top_k=3, region=region, **poses)
        elif what == 2:
            matcher.match(image, templates=[template], min_score=odd(dice, 0.5))
        else:
            tracker.init(scene, box)
            tracker.update(odd_picture(dice))
            tracker.update(image)

    return trial
