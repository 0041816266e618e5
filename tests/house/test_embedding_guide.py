"""The ROS 2 node of the guide, run with stand-ins for what ROS brings."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from guide_files import write_guide_files
from guide_pages import DOCS, Block, blocks

from qatm import runtime

EYE = (120, 80, 64, 64)
SHIFT = 5
"""Columns between the frames of the guide's video."""


class Node:
    """A node that keeps what it publishes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.published: list[Any] = []

    def create_publisher(self, *_: object) -> SimpleNamespace:
        return SimpleNamespace(publish=self.published.append)

    def create_subscription(self, _: object, topic: str, *__: object) -> None:
        assert topic == "image_raw"


class Detection2D:
    """The fields of the message that the node fills."""

    def __init__(self, header: object) -> None:
        self.header = header
        centre = SimpleNamespace(position=SimpleNamespace(x=0.0, y=0.0))
        self.bbox = SimpleNamespace(center=centre, size_x=0.0, size_y=0.0)


def message(image: np.ndarray, encoding: str) -> SimpleNamespace:
    """A picture as ROS sends it, its rows padded."""
    height, width = image.shape[:2]
    ordered = image[:, :, ::-1] if encoding == "rgb8" else image
    rows = np.pad(ordered.reshape(height, -1), ((0, 0), (0, 7)))
    size = {"height": height, "width": width, "step": rows.shape[1]}
    return SimpleNamespace(data=rows.tobytes(), encoding=encoding, header="stamp", **size)


def block_for(machine: str) -> Block:
    """A block of the guide."""
    text = (DOCS / "guides" / "embed.md").read_text(encoding="utf-8")
    (found,) = (block for block in blocks(text) if block.machine == machine)
    return found


def follower_class() -> dict[str, Any]:
    """What the guide's first program defines, without its example at the end."""
    text = (DOCS / "guides" / "embed.md").read_text(encoding="utf-8")
    code = blocks(text)[0].code
    names: dict[str, Any] = {}
    exec(compile(code[: code.index("\nwith runtime.Matcher()")], "embed.md", "exec"), names)
    return names


@pytest.fixture
def ros(monkeypatch) -> list[Any]:
    """Stand-ins for ROS; nodes that were spun."""
    spun: list[Any] = []
    modules = {
        "rclpy": {"init": lambda: None, "spin": spun.append},
        "rclpy.node": {"Node": Node},
        "rclpy.qos": {"qos_profile_sensor_data": 5},
        "sensor_msgs": {},
        "sensor_msgs.msg": {"Image": SimpleNamespace},
        "vision_msgs": {},
        "vision_msgs.msg": {"Detection2D": Detection2D},
    }
    for name, members in modules.items():
        module = ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
    return spun


def test_the_node_publishes_where_the_object_is(tmp_path: Path, photographs, monkeypatch, ros):
    write_guide_files(tmp_path, photographs)
    monkeypatch.chdir(tmp_path)
    cat = cv2.imread("first.jpg")
    assert cat is not None
    with runtime.Matcher() as matcher:
        matcher.encode_template(cat, EYE).save("object.npz")
    exec(compile(block_for("in a ROS 2 node").code, "embed.md", "exec"), follower_class())
    (node,) = ros
    for step, encoding in enumerate(("bgr8", "rgb8")):
        node.on_image(message(cat[:, SHIFT * step :], encoding))
        sent = node.published[-1]
        place = sent.bbox.center.position
        assert (place.x, place.y) == pytest.approx((152 - SHIFT * step, 112), abs=2)
        assert (sent.bbox.size_x, sent.bbox.size_y) == pytest.approx((64, 64), abs=4)
        assert sent.header == "stamp"


def test_a_frame_that_comes_while_one_is_looked_at_is_dropped(photographs):
    with runtime.Matcher() as matcher:
        template = matcher.encode_template(photographs["chelsea"], EYE)
    follow = follower_class()["FrameFollower"](template)
    follow._busy.acquire()
    assert follow(photographs["chelsea"]) is None
    follow._busy.release()
    assert follow(photographs["chelsea"]).found
