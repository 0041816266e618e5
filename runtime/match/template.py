"""A template: its patches at the resolutions in which it is looked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..arguments import as_saved_name
from ..boxes import Box, box_in_frame, check_elongation
from ..bundle.match_recipe import MatchRecipe
from ..errors import TemplateError, first_line, seen
from ..files import as_path, whole
from ..images import Image, is_flat
from ..kinds import Numeric
from ..patches.encoder import Encoder
from ..patches.grid import PatchGrid, ScaledMask, cut_grid
from ..patches.similarity import small_product, standardised
from ..patches.taps import Cells, DenseCells
from ..patches.windows import CellRange
from ..saved_arrays import array_of, read_arrays, switch_of, text_of_array
from ..turns import SharedFields
from ..value_range import ValueRange
from .comparing import ComparedTemplate
from .differences import Grain, colour_mask, mean_tint
from .pixels import PixelTemplate
from .plane_pixels import PlaneTemplate, plane_pyramid
from .posed_rows import PosedRows, TemplateView
from .template_file import (
    grid_data,
    pose_data,
    read_grid,
    read_poses,
    read_scales,
    read_size,
    read_view,
    view_data,
)
from .turned_squares import TurnedSquares

Array = NDArray[Any]

FORMAT: Numeric[int] = 2
"""Of saved templates."""

WITHOUT_VIEW: Numeric[int] = 1
"""An earlier format, of templates that cannot be turned and resized."""


@dataclass(frozen=True)
class TemplateLevel:
    """A template at one working resolution: ``scale`` working pixels per image pixel."""

    scale: float
    coarse: PatchGrid
    fine: PatchGrid


@dataclass(frozen=True)
class Template(SharedFields):
    """An encoded template; keep it, save it, pass it to ``Matcher.match``.

    Attributes:
        levels: working resolutions, finest first.
        size: width and height of the box in pixels.
        inside: whether the box lies fully inside its frame.
        model: identifies the features; a matcher with another model refuses the template.
        name: free text.
        flat: whether the object shows a single colour: such a template scores 0 everywhere.
        value_range: between which values its frame was shown, and images are; ``None`` for a uint8
            frame, which is shown as it is.
        view: what is kept of its picture, or ``None`` if an earlier version saved it.
        poses: its patches at other angles (degrees) and sizes (working pixels per pixel), as far as
            it was looked for in them; saved with it.
    """

    levels: tuple[TemplateLevel, ...]
    size: tuple[float, float]
    inside: bool
    model: str
    name: str = ""
    flat: bool = False
    value_range: ValueRange | None = None
    view: TemplateView | None = field(default=None, compare=False, repr=False)
    poses: dict[tuple[float, float], PosedRows] = field(
        default_factory=dict, compare=False, repr=False
    )

    def __repr__(self) -> str:
        width, height = self.size
        name = f"{self.name!r}, " if self.name else ""
        flat = ", flat" if self.flat else ""
        return f"Template({name}{width:g}x{height:g} px{flat}, model={self.model[:12]}…)"

    @cached_property
    def pixels(self) -> PixelTemplate | None:
        """Its pixels to be registered with an image's, ``None`` where they are flat or not kept."""
        return None if self.view is None else PixelTemplate.of(self.view)

    @cached_property
    def compared(self) -> ComparedTemplate | None:
        """Its picture to be compared with what is found, ``None`` where it is flat or not kept."""
        view, pixels = self.view, self.pixels
        return ComparedTemplate.of(view, pixels) if view and pixels else None

    @cached_property
    def core(self) -> PixelTemplate | None:
        """The same, of the inside of its box alone."""
        return None if self.view is None else PixelTemplate.of(self.view, core=True)

    @cached_property
    def turned_squares(self) -> TurnedSquares | None:
        """Its middle at all turns, ``None`` where it is masked or not kept."""
        return None if self.view is None else TurnedSquares.of(self.view)

    @cached_property
    def grain(self) -> Grain:
        """How its picture is made."""
        return Grain() if self.view is None else Grain.of(self.view.image)

    @cached_property
    def tint(self) -> tuple[Array, Array | None]:
        """Mean colour without its brightness ``(3,)``, and which samples it is the mean of."""
        if self.view is None:
            return np.zeros(3), None
        mask, box = colour_mask(self.view), self.view.box
        return mean_tint(self.view.image, np.diag([box.w, box.h]), box.centre, mask), mask

    @cached_property
    def plane(self) -> list[PlaneTemplate]:
        """The same for affine maps and homographies, at rising resolutions."""
        return [] if self.view is None else plane_pyramid(self.view)

    @cached_property
    def confusable(self) -> float:
        """Mean cosine of its patches with the surroundings' that resemble them most, in [-1, 1].

        A template of plain texture resembles what surrounds it, wherever it is.
        """
        grid = self.levels[0].fine
        own, others = grid.own_rows, grid.rows[grid.target == 0]
        if len(others) == 0:
            return 0.0
        rows = standardised(np.concatenate([own, others]))
        likeness = small_product(rows[: len(own)], np.ascontiguousarray(rows[len(own) :].T))
        return float(likeness.max(1).mean())

    def save(self, path: str | Path) -> Path:
        """Write the template as ``.npz`` (no pickles), whole or not at all; returns the path.

        Raises:
            OSError: it cannot be written; the message names the path.
            InputError: no path at all, or its name is none that a file can keep.
        """
        target = as_path(path, "template")
        data: dict[str, Any] = {
            "format": FORMAT,
            "size": np.asarray(self.size),
            "inside": self.inside,
            "model": self.model,
            "name": as_saved_name(self.name),
            "flat": self.flat,
            "scales": np.asarray([level.scale for level in self.levels]),
        }
        if self.value_range is not None:
            data.update(self.value_range.record())
        for i, level in enumerate(self.levels):
            data |= grid_data("coarse", i, level.coarse) | grid_data("fine", i, level.fine)
        data |= view_data(self.view) | pose_data(self.poses)
        with whole(target) as part, part.open("wb") as file:
            np.savez_compressed(file, **data)
        return target

    @classmethod
    def load(cls, path: str | Path) -> Template:
        """Read a template that :meth:`save` wrote, or somebody else: everything in it is checked.

        Raises:
            TemplateError: missing, damaged, too large, or of another format.
            InputError: no path at all.
        """
        file = as_path(path, "template")
        try:
            arrays = read_arrays(file)
            written = int(array_of(arrays, "format", "iu", ()))
            if written in (FORMAT, WITHOUT_VIEW):
                return cls._of(arrays)
        except FileNotFoundError:
            raise TemplateError(f"template {file} does not exist") from None
        except OSError as error:
            raise TemplateError(f"template {file} cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise TemplateError(
                f"template {file} cannot be read ({first_line(error)}); encode it again"
            ) from error
        raise TemplateError(
            f"template {file} has format {written}, expected {FORMAT}; encode it again"
        )

    @classmethod
    def _of(cls, arrays: Mapping[str, Array]) -> Template:
        """The template that is in a file.

        Raises:
            ValueError: it is damaged.
        """
        levels = tuple(
            TemplateLevel(scale, read_grid(arrays, "coarse", i), read_grid(arrays, "fine", i))
            for i, scale in enumerate(read_scales(arrays))
        )
        grids = [grid for level in levels for grid in (level.coarse, level.fine)]
        channels = {grid.rows.shape[1] for grid in grids}
        if len(channels) > 1:
            raise ValueError("its patches have different numbers of channels")
        size = read_size(arrays)
        return cls(
            levels,
            size,
            switch_of(arrays, "inside"),
            text_of_array(arrays, "model"),
            text_of_array(arrays, "name"),
            switch_of(arrays, "flat"),
            ValueRange.recorded(arrays),
            read_view(arrays, size),
            read_poses(arrays, *channels),
        )

    def check_fits(self, channels: int, stride: int, coarse_stride: int) -> None:
        """Refuse a template whose patches are not those of a bundle, whatever it says of itself.

        Args:
            channels: of the bundle's features.
            stride: working pixels per cell of its finest map.
            coarse_stride: the same of its coarse map.

        Raises:
            TemplateError: they are not.
        """
        for level in self.levels:
            for grid, step in ((level.coarse, coarse_stride), (level.fine, stride)):
                most = [max(1, round(side * level.scale / step)) + 1 for side in self.size]
                height, width = grid.footprint.shape
                if grid.rows.shape[1] != channels or width > most[0] or height > most[1]:
                    raise TemplateError(
                        f"template {self.name!r} is damaged: {width}x{height} patches of "
                        f"{grid.rows.shape[1]} channels, where this bundle has {channels} and at "
                        f"most {most[0]}x{most[1]}; encode it again"
                    )


def working_scale(width: float, height: float, recipe: MatchRecipe) -> float:
    """Working pixels per image pixel that give a template a useful number of patches."""
    side = float(np.sqrt(width * height))
    wanted = min(max(1.0, recipe.min_side / side), recipe.max_side / side)
    rounded = 2.0 ** (round(recipe.scale_steps * np.log2(wanted)) / recipe.scale_steps)
    return float(min(rounded, recipe.max_enlarge))


def level_scales(width: float, height: float, recipe: MatchRecipe) -> list[float]:
    """The resolutions in which a template is kept: its own, and lower ones for large images.

    A template is looked for at its own size or, if that has many patches, at lower resolutions
    down to :attr:`MatchRecipe.least_side`; a tiny one is enlarged even in large images.
    """
    side = float(np.sqrt(width * height))
    own = working_scale(width, height, recipe)
    lowest = recipe.least_side / side
    if lowest > 1:
        lowest = max(1.0, recipe.tiny_side / side)
    scales, steps = [own], round(recipe.scale_steps * np.log2(own))
    while (scale := 2.0 ** ((steps - len(scales)) / recipe.scale_steps)) >= lowest:
        scales.append(scale)
    return scales


class TemplateEncoder:
    """Encodes templates for one bundle."""

    def __init__(self, encoder: Encoder, recipe: MatchRecipe, model: str) -> None:
        self.encoder = encoder
        self.recipe = recipe
        self.model = model

    def encode(self, image: Image, box: Any, mask: Any, name: str) -> Template:
        """See ``Matcher.encode_template``."""
        height, width = image.shape[:2]
        region = Box(0, 0, width, height) if box is None else box_in_frame(box, width, height)
        check_elongation(region)
        called = as_saved_name(name)
        inside = region.x >= 0 and region.y >= 0
        inside = inside and region.x + region.w <= width and region.y + region.h <= height
        coverage = _mask_image(mask, region, image.shape[:2])
        levels = tuple(
            self._level(image, region, coverage, scale, framed=box is not None, own=index == 0)
            for index, scale in enumerate(level_scales(region.w, region.h, self.recipe))
        )
        flat = is_flat(image, region, coverage)
        view = TemplateView.cut(image, region, coverage, levels[0].scale, framed=box is not None)
        return Template(levels, (region.w, region.h), inside, self.model, called, flat, view=view)

    def _level(
        self,
        image: Image,
        box: Box,
        mask: Array | None,
        scale: float,
        *,
        framed: bool,
        own: bool,
    ) -> TemplateLevel:
        """Encode the box inside its frame, at one working resolution.

        Args:
            image: the frame, or the crop.
            box: in its pixels.
            mask: of the image's size.
            scale: working pixels per pixel.
            framed: whether the image shows what surrounds the object.
            own: whether it is the template's own resolution; of lower ones, which large images are
                searched in, only the surroundings are encoded.
        """
        if framed:
            height, width = (round(side * scale) for side in image.shape[:2])
            large = height * width > self.recipe.whole_pixels
            if not own or large or not self.encoder.in_one_piece(height, width):
                border = self.recipe.frame_border if own else self.recipe.level_border
                image, box, mask = _near(image, box, mask, border / scale)
        else:
            border = int(np.ceil(self.recipe.crop_border / scale))
            sides = (border, border, border, border)
            image = np.asarray(
                cv2.copyMakeBorder(image, *sides, cv2.BORDER_REPLICATE), dtype=np.uint8
            )
            mask = None if mask is None else np.pad(mask, border, mode="edge")
            box = Box(box.x + border, box.y + border, box.w, box.h)
        features = self.encoder.encode(image, scale)
        fine: Cells | None = features.taps
        if fine is None:
            rows, columns = self.encoder.fine_shape(features)
            whole = CellRange(0, 0, rows, columns)
            fine = DenseCells(self.encoder.fine_window(features, whole))
        scales = features.scale_x, features.scale_y
        placed, shown = box.scaled(*scales), None if mask is None else ScaledMask(mask, scales)
        # The border of a crop repeats the crop itself: no surroundings that could compete.
        extra = self.recipe.competitors if framed else 0
        coarse_stride, stride = self.encoder.coarse_stride, self.encoder.stride
        recipe = self.recipe
        cells = DenseCells(features.coarse)
        coarse = cut_grid(cells, placed, shown, coarse_stride, extra, recipe.coarse_pool)
        exact = cut_grid(fine, placed, shown, stride, extra, recipe.fine_pool)
        return TemplateLevel(scale, coarse, exact)


def _mask_image(mask: Any, box: Box, shape: tuple[int, ...]) -> Array | None:
    """A mask as ``(H, W)`` bool of the image's size; one of the box's goes on beyond its edges.

    A box of fractions of pixels reaches beyond the whole pixels of its mask, which must not hide
    what lies there.

    Raises:
        TemplateError: no array, not boolean, masked, of another size, or empty.
    """
    if mask is None:
        return None
    known = isinstance(mask, list) or hasattr(mask, "__array__")
    try:
        array = np.asarray(mask) if known and not np.ma.isMaskedArray(mask) else None
    except ValueError:  # rows of several lengths
        array = None
    if array is None:
        raise TemplateError(f"mask is {seen(mask)}; give a plain numpy array of booleans")
    if array.dtype != np.bool_:
        raise TemplateError(f"mask has dtype {array.dtype}; give booleans, true on the object")
    if not array.any():
        raise TemplateError("mask is false everywhere; it must be true on the object")
    if array.shape == shape:
        return array
    size = (max(1, round(box.h)), max(1, round(box.w)))
    if array.shape != size:
        raise TemplateError(f"mask has shape {array.shape}; give {shape} (image) or {size} (box)")
    rows = np.clip(np.arange(shape[0]) - round(box.y), 0, size[0] - 1)
    columns = np.clip(np.arange(shape[1]) - round(box.x), 0, size[1] - 1)
    return array[rows[:, None], columns]


def _near(
    image: Image, box: Box, mask: Array | None, reach: float
) -> tuple[Image, Box, Array | None]:
    """The part of a very large frame that reaches so many pixels beyond the box."""
    left, top = (max(0, int(start - reach)) for start in (box.x, box.y))
    right, bottom = int(box.x + box.w + reach), int(box.y + box.h + reach)
    part = np.ascontiguousarray(image[top:bottom, left:right])
    near_mask = None if mask is None else np.ascontiguousarray(mask[top:bottom, left:right])
    return part, Box(box.x - left, box.y - top, box.w, box.h), near_mask
