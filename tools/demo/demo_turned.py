"""The demo's turned objects: in photographs, turned and zoomed, and many at once on a tray."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...runtime import Match, Matcher
from ...runtime.boxes import Box
from ...runtime.images import Image
from ...runtime.match.pose import Pose, outline_overlap, wrapped
from ..console import print_line, print_table
from ..drawing.draw import PAPER, Panel, cut, panel_row, scene_picture
from ..drawing.saving import save_picture
from ..drawing.tiles import upright_views
from ..scenes.stickers import posed, warp
from .demo_tray import TrayScene, count_keys, draw_tray

ROTATION, ZOOM = 180.0, 2.0
MOST_KEYS = 100
LEAST_SCORE = 0.1
"""Of a key: on the tray lies nothing that is nearly one, so that to miss one is worse."""

GOOD_OVERLAP, GOOD_ANGLE, GOOD_SCALE = 0.5, 5.0, 1.1
PANEL, TRAY_PANEL = Panel(360, 240), Panel(720, 540)


@dataclass(frozen=True)
class TurnedScene:
    """An object in a frame, and the same photograph turned and zoomed.

    Attributes:
        thing: what is looked for.
        frame: ``(H, W, 3)`` uint8 BGR.
        box: the object in the frame.
        scene: ``(H, W, 3)`` uint8 BGR.
        pose: of the object in it.
    """

    thing: str
    frame: Image
    box: Box
    scene: Image
    pose: Pose

    def overlap(self, match: Match) -> float:
        """Of a match's outline with the true one, intersection over union."""
        return outline_overlap(match.corners, self.pose.corners((self.box.w, self.box.h)))

    def right(self, match: Match) -> bool:
        """Whether a match says where the object is, at which angle and how large."""
        turn = abs(wrapped(match.angle - self.pose.angle))
        zoom = abs(np.log(match.scale / self.pose.scale))
        placed = match.found and self.overlap(match) >= GOOD_OVERLAP
        return bool(placed and turn <= GOOD_ANGLE and zoom <= np.log(GOOD_SCALE))


def find_turned(photographs: Mapping[str, Image], out: Path) -> bool:
    """The second part of the demo: matching at any angle and size."""
    scenes, tray = turned_scenes(photographs), draw_tray()
    with Matcher() as matcher:
        matches = [find_one(matcher, scene) for scene in scenes]
        keys = find_keys(matcher, tray)
    counted = count_keys(tray.truths, keys)
    print_turned(scenes, matches)
    print_line(
        f"A tray of parts: {counted.found} of {counted.keys} keys found (score from "
        f"{LEAST_SCORE:g}), wrong places {counted.others}: {'right' if counted.right else 'WRONG'}"
    )
    picture = out / "turned.png"
    strips = [turned_strip(scene, match) for scene, match in zip(scenes, matches, strict=True)]
    save_picture(picture, stacked([np.hstack(strips), tray_strip(tray, keys)]))
    print_line(f"Pictures: {picture.resolve()}")
    rights = [scene.right(match) for scene, match in zip(scenes, matches, strict=True)]
    return all(rights) and counted.right


def turned_scenes(photographs: Mapping[str, Image]) -> list[TurnedScene]:
    """The photographs, turned and zoomed about an object."""
    cat, astronaut = photographs["chelsea"], photographs["astronaut"]
    return [
        turned("eye of the cat", cat, Box(132, 80, 78, 68), 100.0, 0.7),
        turned("mission badge", astronaut, Box(132, 344, 80, 82), -65.0, 1.6),
    ]


def turned(thing: str, frame: Image, box: Box, angle: float, scale: float) -> TurnedScene:
    """A photograph turned and zoomed, with the object near its middle.

    Args:
        thing: the object.
        frame: ``(H, W, 3)`` uint8 BGR.
        box: of the object.
        angle: degrees, counter-clockwise as seen in the picture.
        scale: how much larger it gets.
    """
    height, width = frame.shape[:2]
    middle = width * 0.55, height * 0.45
    matrix = posed((2 * box.x + box.w, 2 * box.y + box.h), middle, angle, scale)
    scene = warp(frame, matrix, (width, height))
    return TurnedScene(thing, frame, box, scene, Pose(*middle, angle, scale))


def find_one(matcher: Matcher, scene: TurnedScene) -> Match:
    """The best match at any angle and between half and twice the size."""
    template = matcher.encode_template(scene.frame, scene.box)
    return matcher.match(scene.scene, templates=[template], rotation=ROTATION, scale=ZOOM)[0]


def find_keys(matcher: Matcher, tray: TrayScene) -> list[Match]:
    """All keys, at any angle."""
    template = matcher.encode_template(tray.frame, tray.box)
    return matcher.match(
        tray.image,
        MOST_KEYS,
        templates=[template],
        rotation=ROTATION,
        min_score=LEAST_SCORE,
    )


def print_turned(scenes: Sequence[TurnedScene], matches: Sequence[Match]) -> None:
    """Print a table on stdout."""
    from rich.table import Table

    title = "Finding objects at any angle and between half and twice the size"
    table = Table(title=title, title_justify="left")
    table.add_column("object")
    for name in ("found", "score", "overlap", "angle", "true", "scale", "true", "right"):
        table.add_column(name, justify="right", no_wrap=True)
    for scene, match in zip(scenes, matches, strict=True):
        table.add_row(
            scene.thing,
            "yes" if match.found else "no",
            f"{match.score:.2f}",
            f"{scene.overlap(match):.2f}",
            f"{match.angle:.1f}",
            f"{scene.pose.angle:.1f}",
            f"{match.scale:.2f}",
            f"{scene.pose.scale:.2f}",
            "yes" if scene.right(match) else "WRONG",
        )
    print_table(table, "angle: degrees, counter-clockwise; scale: relative to the template")


def turned_strip(scene: TurnedScene, match: Match) -> Image:
    """The object, the scene with the match, and what was found, turned back."""
    verdict = "found" if match.found else "not found"
    caption = f"turned {scene.pose.angle:.0f} degrees, {scene.pose.scale:g} times: {verdict}"
    return panel_row(
        [
            cut(scene.frame, scene.box),
            scene_picture(scene.scene, [match], PANEL),
            upright_views(scene.scene, [match], PANEL),
        ],
        (scene.thing, caption, "found, turned back"),
        PANEL,
    )


def tray_strip(tray: TrayScene, keys: Sequence[Match]) -> Image:
    """The key, the tray with all matches, and what was found, turned back."""
    found = [match for match in keys if match.found] or list(keys)
    return panel_row(
        [
            cut(tray.frame, tray.box),
            scene_picture(tray.image, keys, TRAY_PANEL),
            upright_views(tray.image, found, TRAY_PANEL),
        ],
        ("key", f"{len(tray.truths)} keys, {len(found)} matches", "found, turned back"),
        TRAY_PANEL,
    )


def stacked(pictures: Sequence[Image]) -> Image:
    """Pictures below each other."""
    width = max(picture.shape[1] for picture in pictures)
    sheets: list[NDArray[np.uint8]] = []
    for picture in pictures:
        sheet = np.full((picture.shape[0], width, 3), PAPER, np.uint8)
        sheet[:, : picture.shape[1]] = picture
        sheets.append(sheet)
    return np.vstack(sheets)
