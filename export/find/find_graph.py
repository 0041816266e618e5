"""``find.onnx``: an encoded template and a picture in, a box and its score out.

The default of ``Matcher.match``, one template and its best place, written out with the same
formulas and the graphs of the same bundle.
"""

from __future__ import annotations

import onnx

from ...runtime.match.find_inputs import LEVEL_NUMBERS, NUMBERS, SQUARES
from ...runtime.patches.quality import TINY
from .box_judge import BoxJudge
from .comparison import PICTURE_SHAPE
from .graph_writer import GraphWriter
from .patch_nodes import (
    Grid,
    Networks,
    packed,
)
from .picture_search import CoarsePlace, PictureSearch, Sought
from .pixel_nodes import PixelSet
from .sights import PatchLook
from .turned import SIDE
from .values import BYTE, FLOAT, TRUTH, Value


def find_model(networks: Networks, opset: int, version: int) -> onnx.ModelProto:
    """The graph of a bundle.

    Args:
        networks: of the bundle.
        opset: of the operators.
        version: of ONNX's file format.
    """
    writer = GraphWriter()
    sought = _inputs(writer, networks)
    box, score, found, scale, margin = _found(networks, sought)
    outputs = {
        "box": (box, (4,)),
        "score": (score, ()),
        "found": (found, ()),
        "scale": (scale, ()),
        "margin": (margin, ()),
    }
    return writer.model("find", outputs, opset, version)


def _inputs(writer: GraphWriter, networks: Networks) -> Sought:
    """Inputs as :func:`.find_inputs` gives them, and the image."""
    channels = networks.backbone.channels
    image = writer.input("image", BYTE, ("height", "width", 3))
    line = writer.input("numbers", FLOAT, (len(NUMBERS),))
    numbers = {name: line.at(index) for index, name in enumerate(NUMBERS)}
    levels = writer.input("levels", FLOAT, ("levels", len(LEVEL_NUMBERS)))
    coarse_rows = writer.input("coarse_rows", FLOAT, ("coarse_patches", channels))
    coarse_target = writer.input("coarse_target", FLOAT, ("coarse_patches",))
    coarse_footprint = writer.input("coarse_footprint", FLOAT, ("coarse_cells",))
    fine_rows = writer.input("fine_rows", FLOAT, ("fine_patches", channels))
    fine_target = writer.input("fine_target", FLOAT, ("fine_patches",))
    footprint = writer.input("fine_footprint", FLOAT, ("fine_cells_down", "fine_cells_across"))
    offset = writer.input("fine_offset", FLOAT, (2,))
    fine = Grid(fine_rows, fine_target, footprint, offset.at(0), offset.at(1))
    pixels, core = (_pixel_set(writer, name, numbers["zoom"]) for name in ("pixels", "core"))
    colours = writer.input("colours", FLOAT, (16, 16))
    squares = writer.input("squares", BYTE, (SQUARES, SIDE, SIDE, 3))
    picture = None
    if networks.compare is not None:
        picture = writer.input("picture", FLOAT, PICTURE_SHAPE)
    return Sought(
        image,
        numbers,
        levels,
        coarse_rows,
        coarse_target,
        coarse_footprint,
        fine,
        pixels,
        core,
        colours,
        squares,
        picture,
    )


def _pixel_set(writer: GraphWriter, name: str, zoom: Value) -> PixelSet:
    """The inputs of one registration."""
    used = writer.input(f"{name}_used", FLOAT, (f"{name}_down", f"{name}_across"))
    grey = writer.input(f"{name}_grey", FLOAT, (f"{name}_samples",))
    steepest = writer.input(f"{name}_steepest", FLOAT, (4, f"{name}_samples"))
    inverse = writer.input(f"{name}_inverse", FLOAT, (4, 4))
    return PixelSet(used, grey, steepest, inverse, zoom)


def _found(networks: Networks, sought: Sought) -> tuple[Value, ...]:
    """Search, place, size, register and judge."""
    writer = sought.image.writer
    search, judge = PictureSearch(networks, sought), BoxJudge(networks, sought)
    count, places = search.candidates()
    keys = len(PatchLook._fields)

    def place(number: Value) -> tuple[Value, list[Value], list[Value]]:
        at = CoarsePlace(*(places.at(number).at(index) for index in range(3)))
        sight, box, fits = search.placed(at)
        return writer.value(True, TRUTH), [], [packed(writer, [*sight, *box, fits])]

    (rows,) = writer.loop(count, True, [], place, 1)
    rows = rows.shaped(-1, keys + 5)
    responses = places.at(2, 1).cut(0, count)
    rival = writer.where(writer.range(0, count) > 0, responses.at(0), search.second(places))
    margins = (1.0 - rival / writer.most(responses, float(TINY))).clip(0.0, 1.0)
    worth, promise = _worth(networks, rows, responses)

    def weigh(number: Value) -> tuple[Value, list[Value], list[Value]]:
        index = worth.at(number)
        row = rows.at(index)
        sight = PatchLook(*(row.at(i) for i in range(keys)))
        box = [row.at(keys + i) for i in range(4)]
        judged = judge.judged(sight, box, margins.at(index), promise.at(index))
        return writer.value(True, TRUTH), [], [packed(writer, [*judged, margins.at(index)])]

    (judged,) = writer.loop(worth.side(0), True, [], weigh, 1)
    judged = judged.shaped(-1, 6)
    scores, preference = judged.at(3, 1), judged.at(4, 1)
    passing = scores >= networks.recipe.threshold
    # Found ones first, whatever else is preferred.
    rank = preference + passing.float() * 1e6
    best = judged.at(writer.argmax(rank))
    x, y, scale, score, _, margin = (best.at(index) for index in range(6))
    width, height = (side * scale for side in sought.size)
    box = packed(writer, [x - width / 2.0, y - height / 2.0, width, height])
    return box, score, score >= networks.recipe.threshold, scale, margin


def _worth(networks: Networks, rows: Value, responses: Value) -> tuple[Value, Value]:
    """Which candidates are worth a second look, and how exclusive the windows of all are.

    See ``UprightFinder``: the most promising one, those that come close to it, and the one whose
    window is most exclusive.
    """
    writer, recipe = rows.writer, networks.recipe
    likelihood = rows.at(PatchLook._fields.index("likelihood"), 1)
    fits = rows.at(len(PatchLook._fields) + 4, 1)
    similarity = rows.at(PatchLook._fields.index("similarity"), 1)
    exclusive = writer.log(writer.most(responses, float(TINY)))
    exclusive = exclusive + fits * recipe.likelihood_weight
    promise = likelihood + similarity * recipe.pose_similarity
    close = promise >= promise.max() - recipe.close_promise
    first = writer.range(0, rows.side(0)).equals(writer.argmax(exclusive))
    kept = writer.node("NonZero", (close | first).float())
    return kept.shaped(-1), exclusive
