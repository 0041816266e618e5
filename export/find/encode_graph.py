"""``encode.onnx``: a frame and a box in, the encoded template that ``find.onnx`` takes out.

What ``Matcher.encode_template`` does with a frame and a box, for programs without Python.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import onnx

from ...runtime.match import turned_squares
from ...runtime.match.find_inputs import LEVEL_NUMBERS, NO_PICTURE, NUMBERS, SQUARES
from ...runtime.match.posed_rows import BORDER, SIDE, SMALLEST_ZOOM
from .comparison import PICTURE_SHAPE, compared_picture
from .graph_writer import GraphWriter
from .patch_nodes import Layers, Networks, encoded, packed, standardised
from .sampling import as_bytes, resized, single_coloured
from .template_pixels import TemplatePicture, grain, pixel_set, squares, tint_of
from .values import BYTE, FLOAT, INTEGER, Value

ROUNDING = 1e-5
"""What the digits of an exponential may be off."""

Cells = Callable[[Value], Value]
"""Gives features ``(C, K)`` of cells ``(K,)``, counted row by row."""


class Rectangle(NamedTuple):
    """A box: left, top, width and height."""

    x: Value
    y: Value
    w: Value
    h: Value


class Cut(NamedTuple):
    """Patches that were cut out of a map, see :class:`.PatchGrid`."""

    rows: Value
    target: Value
    footprint: Value
    x: Value
    y: Value


def encode_model(networks: Networks, opset: int, version: int) -> onnx.ModelProto:
    """The graph of a bundle.

    Args:
        networks: of the bundle.
        opset: of the operators.
        version: of ONNX's file format.
    """
    writer = GraphWriter()
    image = writer.input("image", BYTE, ("height", "width", 3))
    line = writer.input("box", FLOAT, (4,))
    box = Rectangle(*(line.at(index) for index in range(4)))
    made = _Encoding(networks, image, box).outputs()
    channels = networks.backbone.channels
    shapes: dict[str, tuple[int | str, ...]] = {
        "numbers": (len(NUMBERS),),
        "levels": ("levels", len(LEVEL_NUMBERS)),
        "coarse_rows": ("coarse_patches", channels),
        "coarse_target": ("coarse_patches",),
        "coarse_footprint": ("coarse_cells",),
        "fine_rows": ("fine_patches", channels),
        "fine_target": ("fine_patches",),
        "fine_footprint": ("fine_cells_down", "fine_cells_across"),
        "fine_offset": (2,),
    }
    for name in ("pixels", "core"):
        shapes[f"{name}_used"] = (f"{name}_down", f"{name}_across")
        shapes[f"{name}_grey"] = (f"{name}_samples",)
        shapes[f"{name}_steepest"] = (4, f"{name}_samples")
        shapes[f"{name}_inverse"] = (4, 4)
    shapes["colours"] = (16, 16)
    shapes["squares"] = (SQUARES, turned_squares.SIDE, turned_squares.SIDE, 3)
    if networks.compare is not None:
        shapes["picture"] = PICTURE_SHAPE
    outputs = {name: (made[name], shapes[name]) for name in shapes}
    return writer.model("encode", outputs, opset, version)


class _Encoding:
    """One template."""

    def __init__(self, networks: Networks, image: Value, box: Rectangle) -> None:
        self.networks = networks
        self.recipe = networks.recipe
        self.image = image
        self.box = box
        self.writer = image.writer
        self.height, self.width = image.side(0).float(), image.side(1).float()

    def outputs(self) -> dict[str, Value]:
        """By name."""
        writer = self.writer
        side = writer.sqrt(self.box.w * self.box.h)
        own, steps = self._own_scale(side)
        layers, placed = self._encoded(own, whole=True)
        coarse = self._cut_coarse(layers, placed)
        fine = self._cut_fine(layers, placed)
        levels = self._lower_levels(own, steps, side, coarse)
        view = self._view(own)
        grains = grain(view)
        numbers: dict[str, Value] = {
            "width": self.box.w,
            "height": self.box.h,
            "inside": self._inside(),
            "flat": single_coloured(self.image, self.box).float(),
            "scale": own,
            "confusable": self._confusable(fine),
            **dict(zip(("even", "smooth", "noise", "edges"), grains, strict=True)),
        }
        tint = tint_of(view)
        for index, name in enumerate(("blue", "green", "red")):
            numbers[name] = tint.at(index)
        pixels, registered, zoom = pixel_set(view, core=False)
        core, has_core, _ = pixel_set(view, core=True)
        turned, step = squares(view)
        numbers |= {
            "zoom": writer.where(registered, zoom, 0.0),
            "registered": registered.float(),
            "core": (has_core & registered).float(),
            "square_step": step,
        }
        named = {f"pixels_{name}": value for name, value in pixels.items()}
        named |= {f"core_{name}": value for name, value in core.items()}
        if self.networks.compare is not None:
            named["picture"] = writer.choose(
                registered,
                lambda: [compared_picture(view, pixels["used"], zoom)],
                lambda: [writer.filled(0.0, *NO_PICTURE)],
            )[0]
        return {
            **levels,
            **named,
            "numbers": packed(writer, [numbers[name] for name in NUMBERS]),
            "fine_rows": fine.rows,
            "fine_target": fine.target,
            "fine_footprint": fine.footprint,
            "fine_offset": packed(writer, [fine.x, fine.y]),
            "colours": writer.filled(1.0, 16, 16),
            "squares": turned,
        }

    def _own_scale(self, side: Value) -> tuple[Value, Value]:
        """Working pixels per pixel, see :func:`.working_scale`; and steps of that from 1."""
        writer, recipe = self.writer, self.recipe
        wanted = writer.least(writer.most(recipe.min_side / side, 1.0), recipe.max_side / side)
        rounded = writer.node("Round", self._steps(wanted))
        scale = writer.least(self._power(rounded), recipe.max_enlarge)
        # A power of two is one, however many digits the exponential has.
        whole = writer.node("Round", scale)
        scale = writer.where(writer.abs(scale - whole) < ROUNDING, whole, scale)
        return scale, writer.node("Round", self._steps(scale))

    def _steps(self, scale: Value) -> Value:
        """How many steps a scale is from 1."""
        return self.writer.log(scale) * (self.recipe.scale_steps / math.log(2))

    def _power(self, steps: Value) -> Value:
        """The scale so many steps from 1."""
        return self.writer.node("Pow", self.writer.value(2.0), steps / self.recipe.scale_steps)

    def _encoded(self, scale: Value, *, whole: bool) -> tuple[Layers, Rectangle]:
        """Features of the frame, or of what is around the box in it; and the box in them."""
        writer, recipe, box = self.writer, self.recipe, self.box
        columns, rows = (writer.round(side * scale) for side in (self.width, self.height))
        border = float(recipe.frame_border if whole else recipe.level_border)
        reach = border / scale
        edges = []
        for start, side, limit in ((box.x, box.w, self.width), (box.y, box.h, self.height)):
            low = writer.most((start - reach).int(), 0)
            high = writer.least((start + side + reach).int(), limit.int())
            if whole:
                large = columns * rows > recipe.whole_pixels
                low = writer.where(large, low, 0)
                high = writer.where(large, high, limit.int())
            edges.append((low, high))
        (left, right), (top, bottom) = edges
        part = self.image.cut(top, bottom, 0).cut(left, right, 1)
        width, height = (right - left).float(), (bottom - top).float()
        columns, rows = (writer.round(side * scale) for side in (width, height))
        layers = encoded(self.networks, as_bytes(resized(part, columns, rows)))
        across, down = columns.float() / width, rows.float() / height
        placed = Rectangle(
            (box.x - left.float()) * across,
            (box.y - top.float()) * down,
            box.w * across,
            box.h * down,
        )
        return layers, placed

    def _cut_coarse(self, layers: Layers, placed: Rectangle) -> Cut:
        """Patches of the coarse map."""
        flat = layers.coarse.shaped(self.networks.backbone.channels, -1)
        rows, columns = layers.coarse.side(1), layers.coarse.side(2)
        stride = self.networks.backbone.coarse_stride
        pool = self.recipe.coarse_pool
        return self._cut(placed, rows, columns, stride, pool, lambda index: flat.at(index, 1))

    def _cut_fine(self, layers: Layers, placed: Rectangle) -> Cut:
        """Patches of the finest map."""

        def cells(index: Value) -> Value:
            row = index / layers.columns
            column = index - row * layers.columns
            steps = self.networks.steps
            pairs = zip(layers.taps, steps, strict=True)
            return self.writer.join([_at(layer, step, row, column) for layer, step in pairs])

        stride, pool = self.networks.backbone.stride, self.recipe.fine_pool
        return self._cut(placed, layers.rows, layers.columns, stride, pool, cells)

    def _cut(
        self,
        placed: Rectangle,
        rows: Value,
        columns: Value,
        stride: int,
        pool: int,
        cells: Cells,
    ) -> Cut:
        """See :func:`.cut_grid`; ``cells`` gives features ``(C, K)`` of cells."""
        writer = self.writer
        (left, right), (top, bottom) = (
            self._whole_cells(start / float(stride), side / float(stride), limit)
            for start, side, limit in ((placed.x, placed.w, columns), (placed.y, placed.h, rows))
        )
        height, width = bottom - top, right - left
        y = (writer.range(top, bottom) * columns).widened(1)
        own = (y + writer.range(left, right).widened(0)).shaped(-1)
        everywhere = writer.filled(1.0, rows * columns)
        hidden = writer.node("ScatterElements", everywhere, own, writer.filled(0.0, own.side(0)))
        others = writer.node("NonZero", hidden).shaped(-1)
        chosen = self._competitors(own, others, pool, cells)
        index = writer.join([own, chosen])
        target = writer.join([writer.filled(1.0, own.side(0)), writer.filled(0.0, chosen.side(0))])
        return Cut(
            cells(index).turned(1, 0),
            target,
            writer.filled(1.0, height, width),
            placed.x - (left * stride).float(),
            placed.y - (top * stride).float(),
        )

    def _whole_cells(self, start: Value, length: Value, limit: Value) -> tuple[Value, Value]:
        """An interval on whole cells around its own middle, those that the map has."""
        writer = self.writer
        count = writer.most(writer.round(length), 1)
        first = writer.round(start + (length - count.float()) / 2.0)
        return writer.most(first, 0), writer.least(first + count, limit)

    def _competitors(self, own: Value, others: Value, pool: int, cells: Cells) -> Value:
        """The cells of the surroundings that are most similar to any patch of the template."""
        writer, wanted = self.writer, self.recipe.competitors
        count = others.side(0)
        if wanted == 0:
            return others.cut(0, 0)
        taken = writer.least(count, pool)
        # Evenly spread, in whole numbers: (i (count - 1)) / (taken - 1), rounded.
        gaps = writer.most(taken - 1, 1)
        index = (writer.range(0, taken) * (count - 1) * 2 + gaps) / (gaps * 2)
        spread = others.at(writer.least(index, writer.most(count - 1, 0)))

        def chosen() -> list[Value]:
            rows = standardised(cells(writer.join([own, spread])).turned(1, 0))
            mine, theirs = rows.cut(0, own.side(0)), rows.cut(own.side(0), rows.side(0))
            likeness = (theirs @ mine.turned(1, 0)).max(1)
            best = writer.nodes(
                "TopK",
                [likeness, writer.value([wanted], INTEGER)],
                [FLOAT, INTEGER],
                largest=1,
                sorted=1,
            )[1]
            return [spread.at(best)]

        return writer.choose(taken > wanted, chosen, lambda: [spread])[0]

    def _lower_levels(self, own: Value, steps: Value, side: Value, coarse: Cut) -> dict[str, Value]:
        """The coarse patches of all resolutions, finest first."""
        writer, recipe = self.writer, self.recipe
        least = recipe.least_side / side
        tiny = writer.most(recipe.tiny_side / side, 1.0)
        lowest = writer.where(least > 1.0, tiny, least)
        count = writer.floor(steps - self._steps(lowest) + 1e-3)
        first = self._row(own, coarse, writer.value(0, INTEGER), writer.value(0, INTEGER))
        state = [first, coarse.rows, coarse.target, coarse.footprint.shaped(-1)]

        def lower(
            number: Value, table: Value, rows: Value, target: Value, footprint: Value
        ) -> tuple[Value, list[Value], list[Value]]:
            scale = self._power(steps - (number + 1).float())
            cut = self._cut_coarse(*self._encoded(scale, whole=False))
            row = self._row(scale, cut, footprint.side(0), rows.side(0))
            grown = [
                writer.join([table, row]),
                writer.join([rows, cut.rows]),
                writer.join([target, cut.target]),
                writer.join([footprint, cut.footprint.shaped(-1)]),
            ]
            return writer.value(True, "bool"), grown, []

        table, rows, target, footprint = writer.loop(writer.most(count, 0), True, state, lower)
        return {
            "levels": table.shaped(-1, len(LEVEL_NUMBERS)),
            "coarse_rows": rows.shaped(-1, self.networks.backbone.channels),
            "coarse_target": target.shaped(-1),
            "coarse_footprint": footprint.shaped(-1),
        }

    def _row(self, scale: Value, cut: Cut, cell: Value, row: Value) -> Value:
        """A row of the table of resolutions."""
        numbers = {
            "scale": scale,
            "offset_x": cut.x,
            "offset_y": cut.y,
            "footprint_rows": cut.footprint.side(0).float(),
            "footprint_columns": cut.footprint.side(1).float(),
            "first_cell": cell.float(),
            "first_row": row.float(),
            "rows": cut.rows.side(0).float(),
        }
        return packed(self.writer, [numbers[name] for name in LEVEL_NUMBERS]).widened(0)

    def _inside(self) -> Value:
        """Whether the box lies fully inside its frame."""
        box = self.box
        within = (box.x + box.w <= self.width) & (box.y + box.h <= self.height)
        return ((box.x >= 0.0) & (box.y >= 0.0) & within).float()

    def _confusable(self, fine: Cut) -> Value:
        """Mean likeness of the template's patches to the surroundings."""
        writer = self.writer
        own = fine.target.sum().int()

        def alike() -> list[Value]:
            rows = standardised(fine.rows)
            mine, theirs = rows.cut(0, own), rows.cut(own, rows.side(0))
            return [(mine @ theirs.turned(1, 0)).max(1).mean()]

        alone = fine.rows.side(0).equals(own)
        return writer.choose(alone, lambda: [writer.value(0.0)], alike)[0]

    def _view(self, own: Value) -> TemplatePicture:
        """What is kept of the frame, see ``TemplateView.cut``."""
        writer, box = self.writer, self.box
        reach = (writer.hypot(box.w, box.h) - writer.least(box.w, box.h)) / 2.0
        reach = reach + BORDER / SMALLEST_ZOOM / own
        spans = []
        for start, side, limit in ((box.x, box.w, self.width), (box.y, box.h, self.height)):
            low = writer.most(writer.floor(start - reach), 0)
            high = writer.least(writer.ceil(start + side + reach), limit.int())
            spans.append((low, high))
        (left, right), (top, bottom) = spans
        part = self.image.cut(top, bottom, 0).cut(left, right, 1)
        zoom = writer.least(float(SIDE) / writer.sqrt(box.w * box.h), 1.0)
        width, height = (right - left).float(), (bottom - top).float()
        columns, rows = (writer.most(writer.round(side * zoom), 1) for side in (width, height))
        across, down = columns.float() / width, rows.float() / height
        return TemplatePicture(
            as_bytes(resized(part, columns, rows)),
            (box.x - left.float()) * across,
            (box.y - top.float()) * down,
            box.w * across,
            box.h * down,
            writer.sqrt(across * down),
        )


def _at(layer: Value, step: int, rows: Value, columns: Value) -> Value:
    """Features ``(C, K)`` of a layer at cells of the finest map."""
    writer = layer.writer
    height, width = layer.side(1), layer.side(2)
    flat = layer.shaped(layer.side(0), -1)
    if step == 1:
        return flat.at(rows * width + columns, 1)
    sides = []
    for cells, count in ((rows, height), (columns, width)):
        place = ((cells.float() + 0.5) / float(step) - 0.5).clip(0.0, (count - 1).float())
        first = writer.floor(place)
        sides.append((first, writer.least(first + 1, count - 1), place - first.float()))
    (above, below, down), (left, right, across) = sides
    upper = flat.at(above * width + left, 1) * (1.0 - across)
    upper = upper + flat.at(above * width + right, 1) * across
    lower = flat.at(below * width + left, 1) * (1.0 - across)
    lower = lower + flat.at(below * width + right, 1) * across
    return upper * (1.0 - down) + lower * down
