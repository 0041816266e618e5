"""Where in a picture a template may be, as nodes."""

from __future__ import annotations

from typing import NamedTuple

from ...runtime.match.find_inputs import LEVEL_NUMBERS
from .patch_nodes import (
    CellWindow,
    Grid,
    Layers,
    Networks,
    NodeFit,
    Spot,
    box_at,
    cells_around,
    encoded,
    fitted,
    packed,
    summit,
    vertex_offset,
    window_of,
)
from .pixel_nodes import PixelSet
from .sampling import as_bytes, resized, upright
from .sights import PatchLook, look_side, look_sides, looked, seen
from .values import Value


class Sought(NamedTuple):
    """The inputs of the graph."""

    image: Value
    numbers: dict[str, Value]
    levels: Value
    coarse_rows: Value
    coarse_target: Value
    coarse_footprint: Value
    fine: Grid
    pixels: PixelSet
    core: PixelSet
    colours: Value
    squares: Value
    picture: Value | None
    """Where the bundle has a network that compares pixels."""

    @property
    def size(self) -> tuple[Value, Value]:
        """Of the template, in pixels."""
        return self.numbers["width"], self.numbers["height"]

    @property
    def scale(self) -> Value:
        """Working pixels per pixel at the template's own resolution."""
        return self.numbers["scale"]

    @property
    def working(self) -> tuple[Value, Value]:
        """Its size in working pixels."""
        return self.size[0] * self.scale, self.size[1] * self.scale


class CoarsePlace(NamedTuple):
    """A window of the coarse map."""

    x: Value
    y: Value
    response: Value


class PictureSearch:
    """A template and an image, at the resolution at which the image is searched."""

    def __init__(self, networks: Networks, sought: Sought) -> None:
        self.networks = networks
        self.sought = sought
        self.recipe = networks.recipe
        image = sought.image
        self.writer = writer = image.writer
        self.height, self.width = image.side(0).float(), image.side(1).float()
        index = self._level()
        self.lower = index > 0
        level = sought.levels.at(index)
        numbers = {name: level.at(index) for index, name in enumerate(LEVEL_NUMBERS)}
        self.level_scale = numbers["scale"]
        columns, rows = (
            writer.round(side * self.level_scale) for side in (self.width, self.height)
        )
        self.working = as_bytes(resized(image, columns, rows))
        self.layers: Layers = encoded(networks, self.working)
        self.scales = columns.float() / self.width, rows.float() / self.height
        first, count = numbers["first_row"].int(), numbers["rows"].int()
        shape = [numbers[f"footprint_{side}"].int() for side in ("rows", "columns")]
        cell = numbers["first_cell"].int()
        self.coarse = Grid(
            sought.coarse_rows.cut(first, first + count),
            sought.coarse_target.cut(first, first + count),
            sought.coarse_footprint.cut(cell, cell + shape[0] * shape[1]).shaped(*shape),
            numbers["offset_x"],
            numbers["offset_y"],
        )

    def candidates(self) -> tuple[Value, Value]:
        """How many of the best windows are placed, and all: ``(K, 3)``, cells and response."""
        writer, recipe, grid = self.writer, self.recipe, self.coarse
        given = writer.insert(
            self.networks.match,
            {"template": grid.rows, "target": grid.target, "search": self.layers.coarse},
        )
        root = writer.sqrt(given["contested"])
        weights = grid.footprint / grid.footprint.sum()
        response = writer.node("Conv", root.widened(0, 1), weights.widened(0, 1)).at(0).at(0)
        highest = writer.node(
            "MaxPool", response.widened(0, 1), kernel_shape=[3, 3], pads=[1, 1, 1, 1]
        )
        left = writer.where(response >= highest.at(0).at(0), response, -1.0)
        peaks = []
        for _ in range(recipe.candidates):
            y, x = summit(left)
            value = left.at(y).at(x)
            right, down = vertex_offset(response, y, x)
            peaks.append(packed(writer, [x.float() + right, y.float() + down, value]))
            left = self._left_out(left, y, x)
        places = writer.join([peak.widened(0) for peak in peaks])
        responses = places.at(2, 1)
        least = responses.at(0) * recipe.rival_share
        kept = (responses >= least) & (responses >= 0.0)
        count = writer.most(kept.cast("int64").sum(), 1)
        return count, places

    def _left_out(self, left: Value, y: Value, x: Value) -> Value:
        """Responses, -1 where a window overlaps the one there too much."""
        writer, most = self.writer, self.recipe.overlap
        height, width = self.coarse.footprint.side(0), self.coarse.footprint.side(1)
        down = height - writer.abs(writer.range(0, left.side(0)) - y)
        across = width - writer.abs(writer.range(0, left.side(1)) - x)
        common = (writer.most(down, 0).widened(1) * writer.most(across, 0).widened(0)).float()
        whole = (height * width * 2).float()
        return writer.where(common > (whole - common) * most, -1.0, left)

    def second(self, places: Value) -> Value:
        """Response of the best window elsewhere, 0 where there is none."""
        if self.recipe.candidates == 1:
            return self.writer.value(0.0)
        return self.writer.most(places.at(1).at(2), 0.0)

    def _level(self) -> Value:
        """Which resolution: the finest of few enough pixels, or the lowest; ``search_level``."""
        scales = self.sought.levels.at(LEVEL_NUMBERS.index("scale"), 1)
        fitting = self.height * self.width * (scales * scales) <= float(self.recipe.whole_pixels)
        last = self.writer.range(0, scales.side(0)).equals(scales.side(0) - 1)
        return self.writer.argmax((fitting | last).float())

    def placed(self, peak: CoarsePlace) -> tuple[PatchLook, list[Value], Value]:
        """What is seen where a window is placed exactly; its box, ``x, y, w, h``; and how well it
        fits there.
        """
        stride = float(self.networks.backbone.coarse_stride)
        corner = peak.x * stride + self.coarse.x, peak.y * stride + self.coarse.y
        seen_there = self.writer.choose(
            self.lower, lambda: self._apart(corner), lambda: self._here(corner)
        )
        *sight, left, top, likelihood = seen_there
        return PatchLook(*sight), [left, top, *self.sought.size], likelihood

    def _here(self, corner: tuple[Value, Value]) -> list[Value]:
        """Placed in the image itself, which is at the template's own resolution.

        Args:
            corner: of the box, in working pixels of the image, known to about a coarse cell.

        Returns:
            What is seen, the box's left and top edge in pixels, and how well it fits.
        """
        sought, networks, grid = self.sought, self.networks, self.sought.fine
        stride = float(networks.backbone.stride)
        cells = cells_around(
            (corner[0] - grid.x) / stride,
            (corner[1] - grid.y) / stride,
            grid.footprint,
            self.layers.rows,
            self.layers.columns,
            self.recipe.place_margin,
        )
        fit = fitted(networks, grid, window_of(networks, self.layers, cells))
        edge = self._edge(fit, cells) if self.recipe.refine else corner
        left, top = edge[0] / self.scales[0], edge[1] / self.scales[1]
        width, height = sought.size
        writer = self.writer
        spot = Spot(left + width / 2.0, top + height / 2.0, writer.value(0.0), writer.value(1.0))
        sides = spot.x * self.scales[0] * 2.0, spot.y * self.scales[1] * 2.0
        working = width * self.scales[0], height * self.scales[1]
        sight = seen(networks, grid, fit, cells, sides, working, spot, sought.scale)
        return [*sight, *self._moved_inside(left, top), self._highest(fit)]

    def _apart(self, corner: tuple[Value, Value]) -> list[Value]:
        """Placed in a part of the image at the template's own resolution, and looked at there.

        The image was searched at a lower one. Args and returns: as of :meth:`_here`.
        """
        writer, sought, networks = self.writer, self.sought, self.networks
        recipe, backbone, grid = self.recipe, networks.backbone, sought.fine
        stride = float(backbone.stride)
        edges = corner[0] / self.scales[0], corner[1] / self.scales[1]
        middle = edges[0] + sought.size[0] / 2.0, edges[1] + sought.size[1] / 2.0
        reach = sought.scale * float(backbone.coarse_stride) / self.level_scale
        columns, rows = (
            look_side(side + reach * 2.0, recipe.look_share, recipe.look_border, backbone.align)
            for side in sought.working
        )
        crop = upright(sought.image, 1.0 / sought.scale, middle, columns, rows)
        layers = encoded(networks, as_bytes(crop))
        sides = columns.float(), rows.float()
        starts = [(side - own) / 2.0 for side, own in zip(sides, sought.working, strict=True)]
        cells = cells_around(
            (starts[0] - grid.x) / stride,
            (starts[1] - grid.y) / stride,
            grid.footprint,
            layers.rows,
            layers.columns,
            writer.round(reach / stride) + (recipe.place_margin - 1),
        )
        fit = fitted(networks, grid, window_of(networks, layers, cells))
        if recipe.refine:
            edges = tuple(
                centre + (edge - side / 2.0) / sought.scale
                for centre, edge, side in zip(middle, self._edge(fit, cells), sides, strict=True)
            )
        left, top = self._moved_inside(*edges)
        width, height = sought.size
        spot = Spot(left + width / 2.0, top + height / 2.0, writer.value(0.0), writer.value(1.0))
        columns, rows = look_sides(networks, sought.size, sought.scale)
        crop = upright(sought.image, 1.0 / sought.scale, (spot.x, spot.y), columns, rows)
        sight = looked(networks, grid, crop, sought.working, spot, sought.scale)
        return [*sight, left, top, self._highest(fit)]

    def _edge(self, fit: NodeFit, cells: CellWindow) -> tuple[Value, Value]:
        """Left and top edge of the box that fits best, in working pixels."""
        down, across = summit(self._surface(fit))
        right, below = vertex_offset(self._surface(fit), down, across)
        stride = float(self.networks.backbone.stride)
        return box_at(self.sought.fine, cells, (across, right), (down, below), stride)

    def _surface(self, fit: NodeFit) -> Value:
        """By what it is decided where a window fits best."""
        return fit.likelihood if self.recipe.exclusive else fit.similarity

    def _highest(self, fit: NodeFit) -> Value:
        """How well it fits where it fits best."""
        return self._surface(fit).max()

    def _moved_inside(self, left: Value, top: Value) -> list[Value]:
        """The edges of a box, inside the image if the template was inside its own."""
        inside = self.sought.numbers["inside"] > 0.0
        return [
            self.writer.where(inside, edge.clip(0.0, self.writer.most(limit - side, 0.0)), edge)
            for edge, side, limit in zip(
                (left, top), self.sought.size, (self.width, self.height), strict=True
            )
        ]
