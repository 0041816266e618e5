"""The demo: find objects in photographs, also turned ones, and follow one in a video."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from numpy.typing import NDArray

from ...calib.photographs import DEMO, DISPARITY, photograph_folder, read_photographs
from ...runtime import Match, Matcher
from ...runtime.boxes import Box, box_iou
from ...runtime.files import check_folder
from ...runtime.images import Image
from ..console import FOUND, NOT_FOUND, Command, print_line, print_table
from ..drawing.draw import PAPER, Panel, cut, shown_size, side_by_side
from ..drawing.saving import save_picture
from .demo_turned import find_turned
from .demo_video import follow_object

GOOD_OVERLAP = 0.5
PANEL = Panel(360, 240)
COLUMNS = 2

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@dataclass(frozen=True)
class DemoScene:
    """One search: an object marked in a frame, a scene, and where the object is in the scene.

    Attributes:
        thing: what is looked for.
        scene_name: where, and what changed in between.
        frame: ``(H, W, 3)`` uint8 BGR.
        box: the object in the frame, ``(x, y, w, h)``.
        scene: ``(H, W, 3)`` uint8 BGR.
        truth: the object in the scene; ``None`` if it is not there.
    """

    thing: str
    scene_name: str
    frame: Image
    box: Box
    scene: Image
    truth: Box | None


@dataclass(frozen=True)
class DemoOutcome:
    """What came out of a case."""

    case: DemoScene
    match: Match
    quality: NDArray[np.float32]
    milliseconds: float

    @property
    def overlap(self) -> float | None:
        """Intersection over union with the truth; ``None`` if the object is not there."""
        return None if self.case.truth is None else box_iou(self.match.box, self.case.truth)

    @property
    def right(self) -> bool:
        """Whether the answer is the true one."""
        if self.overlap is None:
            return not self.match.found
        return self.match.found and self.overlap >= GOOD_OVERLAP


@app.command(cls=Command)
def demo(
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for the pictures and the video.")
    ] = Path("demo-output"),
) -> None:
    """Find objects in photographs, and follow one, with the model that comes with the package.

    Exit status: 0 if every answer is right, 1 if one is wrong, 2 if the demo cannot run.
    """
    photographs = read_photographs(DEMO)
    check_folder(out, f"--out {out}", make=True)
    results = [part(photographs, out) for part in PARTS]
    raise typer.Exit(FOUND if all(results) else NOT_FOUND)


def find_objects(photographs: Mapping[str, Image], out: Path) -> bool:
    """The first part of the demo: matching in single images."""
    with Matcher() as matcher:
        info = matcher.info
        outcomes = [run_case(matcher, case) for case in all_cases(photographs)]
    print_outcomes(outcomes, f"{info.backbone} on {info.device} ({info.provider})")
    picture = out / "matches.png"
    save_picture(picture, contact_sheet(outcomes))
    print_line(f"Pictures: {picture.resolve()}")
    return all(outcome.right for outcome in outcomes)


PARTS: Sequence[Callable[[Mapping[str, Image], Path], bool]] = (
    find_objects,
    find_turned,
    follow_object,
)


def all_cases(photographs: Mapping[str, Image]) -> list[DemoScene]:
    """The searches of the demo: a second viewpoint, changed pictures, and absent objects."""
    return [*stereo_cases(photographs), *changed_cases(photographs), *absent_cases(photographs)]


def stereo_cases(photographs: Mapping[str, Image]) -> list[DemoScene]:
    """Parts of a motorcycle in a second photograph, taken from 19 cm further right.

    The truth comes from the measured disparity that accompanies the two photographs.
    """
    left, right = photographs["motorcycle_left"], photographs["motorcycle_right"]
    with np.load(photograph_folder() / DISPARITY) as data:
        disparity = data["arr_0"]
    parts = {
        "headlight": Box(506, 120, 58, 70),
        "engine cover": Box(330, 298, 68, 66),
        "bottle": Box(398, 50, 24, 44),
    }
    return [
        DemoScene(
            name,
            "second viewpoint, 19 cm aside",
            left,
            box,
            right,
            moved_by_disparity(box, disparity),
        )
        for name, box in parts.items()
    ]


def moved_by_disparity(box: Box, disparity: NDArray[np.float32]) -> Box:
    """Where a box of the left picture is in the right one: further left by its disparity."""
    inside = cut_values(disparity, box)
    return box._replace(x=box.x - float(np.median(inside[np.isfinite(inside)])))


def cut_values(values: NDArray[np.float32], box: Box) -> NDArray[np.float32]:
    """The values of a map inside a box."""
    x, y, w, h = (round(value) for value in box)
    return values[y : y + h, x : x + w]


def changed_cases(photographs: Mapping[str, Image]) -> list[DemoScene]:
    """Objects searched in the same photograph after it was changed in a known way."""
    cat, coffee, astronaut = (photographs[name] for name in ("chelsea", "coffee", "astronaut"))
    eye, spoon, badge = Box(132, 80, 78, 68), Box(322, 228, 88, 102), Box(132, 344, 80, 82)
    turned, eye_truth = turn_and_scale(cat, eye, 8, 1.1)
    small, badge_truth = turn_and_scale(astronaut, badge, -5, 0.85)
    return [
        DemoScene("eye of the cat", "turned 8 degrees, 10 % larger", cat, eye, turned, eye_truth),
        DemoScene("spoon", "half as bright, noisy", coffee, spoon, darken_and_noise(coffee), spoon),
        DemoScene(
            "mission badge",
            "turned, 15 % smaller, blurred, JPEG 20",
            astronaut,
            badge,
            blur_and_compress(small),
            badge_truth,
        ),
    ]


def absent_cases(photographs: Mapping[str, Image]) -> list[DemoScene]:
    """Objects searched where they are not."""
    cat, coffee = photographs["chelsea"], photographs["coffee"]
    bike, rocket = photographs["motorcycle_right"], photographs["rocket"]
    return [
        DemoScene("eye of the cat", "a picture without it", cat, Box(132, 80, 78, 68), bike, None),
        DemoScene("spoon", "a picture without it", coffee, Box(322, 228, 88, 102), rocket, None),
    ]


def turn_and_scale(image: Image, box: Box, degrees: float, scale: float) -> tuple[Image, Box]:
    """Turn and scale a picture about its centre; also where the box then is.

    The returned box is upright, with the old centre moved along and the size scaled.
    """
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, scale)
    changed = cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
    centre = matrix @ np.array([box.x + box.w / 2, box.y + box.h / 2, 1.0])
    w, h = box.w * scale, box.h * scale
    return as_picture(changed), Box(float(centre[0]) - w / 2, float(centre[1]) - h / 2, w, h)


def darken_and_noise(image: Image) -> Image:
    """Half the brightness, and Gaussian noise with a deviation of 10 levels."""
    noise = np.random.default_rng(0).normal(0, 10, image.shape)
    return np.clip(image * 0.5 + noise, 0, 255).astype(np.uint8)


def blur_and_compress(image: Image) -> Image:
    """Gaussian blur with a deviation of 1.5 px, then JPEG at quality 20."""
    blurred = cv2.GaussianBlur(image, (0, 0), 1.5)
    _, data = cv2.imencode(".jpg", blurred, [cv2.IMWRITE_JPEG_QUALITY, 20])
    return as_picture(cv2.imdecode(data, cv2.IMREAD_COLOR))


def as_picture(array: object) -> Image:
    """OpenCV's result as uint8."""
    return np.asarray(array, dtype=np.uint8)


def run_case(matcher: Matcher, case: DemoScene) -> DemoOutcome:
    """Encode the template, match once to warm up, and match again for the time."""
    template = matcher.encode_template(case.frame, box=case.box)
    matcher.match(case.scene, templates=[template])
    start = time.perf_counter()
    match = matcher.match(case.scene, templates=[template])[0]
    elapsed = (time.perf_counter() - start) * 1000.0
    quality = matcher.quality_map(case.scene, template).resized(shown_size(case.scene, PANEL))
    return DemoOutcome(case, match, quality, elapsed)


def print_outcomes(outcomes: Sequence[DemoOutcome], where: str) -> None:
    """Print a table on stdout."""
    from rich.table import Table

    table = Table(title=f"Finding objects: {where}", title_justify="left")
    for name in ("object", "searched in"):
        table.add_column(name)
    for name in ("found", "score", "overlap", "ms", "right"):
        table.add_column(name, justify="right", no_wrap=True)
    for outcome in outcomes:
        table.add_row(
            outcome.case.thing,
            outcome.case.scene_name,
            "yes" if outcome.match.found else "no",
            f"{outcome.match.score:.2f}",
            "absent" if outcome.overlap is None else f"{outcome.overlap:.2f}",
            f"{outcome.milliseconds:.0f}",
            "yes" if outcome.right else "WRONG",
        )
    print_table(table, "overlap: intersection over union with the true place, 0 to 1")


def contact_sheet(outcomes: Sequence[DemoOutcome]) -> Image:
    """A strip per case, in columns: template, scene with the match, quality map."""
    strips = [contact_strip(outcome) for outcome in outcomes]
    strips += [np.full_like(strips[0], PAPER)] * (-len(strips) % COLUMNS)
    return np.vstack(
        [np.hstack(strips[first : first + COLUMNS]) for first in range(0, len(strips), COLUMNS)]
    )


def contact_strip(outcome: DemoOutcome) -> Image:
    """The picture of one case."""
    case, match = outcome.case, outcome.match
    verdict = "found" if match.found else "not found"
    return side_by_side(
        case.scene,
        cut(case.frame, case.box),
        outcome.quality,
        [match],
        captions=(case.thing, f"{case.scene_name}: {verdict}", "quality map"),
        panel=PANEL,
    )


if __name__ == "__main__":
    app()
