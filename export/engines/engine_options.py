"""What engines to build, for which GPUs and which sizes; everything is checked before a build."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...runtime.bundle.manifest import BundleSpec, TensorInfo
from ...runtime.bundle.sidecar import FLAVOURS, ShapeRange
from ...runtime.errors import ExportError

ENGINES = ("auto", "none", *FLAVOURS)
LEVELS = range(6)

OPTIMUM_IMAGE = (480, 640)
MAXIMUM_IMAGE = (1216, 1920)
"""Full HD, and the pieces that the runtime cuts a larger image into."""

SMALL_BATCH = (1, 4, 16)
SMALL_OPTIMUM, SMALL_MAXIMUM = 128, 256
"""How many small images the features engine takes at once, and their sides: parts of images that
are looked at closely. Sixteen of the largest have fewer pixels than full HD."""

OPTIMUM_ROWS = 256
MAXIMUM_ROWS = 512
"""Rows of a template 64 px wide and high at stride 4, and of a long and thin one."""

WINDOW = "window"
"""Input of older matching graphs: rows and columns of a template."""

NETWORK_SIDE = (1, 16, 64)
NETWORK_SIDES = {
    "map_width": (4, 64, 256),
    "map_height": (2, 24, 128),
    "picture_width": (64, 64, 128),
    "picture_height": (32, 64, 64),
}
"""Smallest, usual and largest sides of a trained network's inputs, by name; others as above."""


@dataclass(frozen=True)
class EngineOptions:
    """What engines to build.

    Attributes:
        engine: ``auto`` (the first flavour that works here, TensorRT before TensorRT-RTX),
            ``none``, ``tensorrt`` or ``tensorrt-rtx``.
        sm: compute capabilities to build for, for example ``(75, 86)``; empty is this machine's
            GPU for TensorRT, and the common GeForce and RTX generations for TensorRT-RTX.
        image_shapes: ranges of image heights and widths in pixels, one profile each; empty is
            from the smallest the network takes to full HD, fastest at 640x480.
        template_rows: range of the number of a template's rows at the finer stride, competitors
            included; ``None`` is what the bundle's recipe gives.
        workspace_mb: most scratch memory, in MiB: of one layer in TensorRT, of the whole engine at
            its largest shapes in TensorRT-RTX; ``None`` is the library's.
        optimisation_level: 0 (fast build) to 5 (fast engine); ``None`` is the library's.
        timing_cache: file with measured kernel times, read and extended; TensorRT only.
    """

    engine: str = "auto"
    sm: tuple[int, ...] = ()
    image_shapes: tuple[ShapeRange, ...] = ()
    template_rows: ShapeRange | None = None
    workspace_mb: int | None = None
    optimisation_level: int | None = None
    timing_cache: Path | None = None

    def check(self) -> None:
        """Refuse values that no library takes.

        Raises:
            ExportError: an unknown engine, or a number out of range.
        """
        if self.engine not in ENGINES:
            raise ExportError(f"engine {self.engine!r} is unknown; choose {', '.join(ENGINES)}")
        if self.workspace_mb is not None and self.workspace_mb < 1:
            raise ExportError(f"workspace is {self.workspace_mb} MiB; give at least 1")
        level = self.optimisation_level
        if level is not None and level not in LEVELS:
            raise ExportError(
                f"optimisation level is {level}; it goes from {LEVELS[0]} to {LEVELS[-1]}"
            )


@dataclass(frozen=True)
class GraphProfile:
    """One optimisation profile of one graph.

    Attributes:
        shapes: shape range of each input with dynamic dimensions.
        values: range of the values of an input, used only where the parser makes it one that
            decides shapes.
    """

    shapes: dict[str, ShapeRange]
    values: dict[str, ShapeRange]


def parse_sm(text: str) -> tuple[int, ...]:
    """Read compute capabilities, ``75,86`` or ``7.5,8.6``, sorted and without repeats.

    Raises:
        ExportError: not a list of compute capabilities.
    """
    found: set[int] = set()
    for part in text.split(","):
        digits = re.fullmatch(r"\s*(?:sm_?)?(\d{1,2})\.?(\d)\s*", part, re.IGNORECASE)
        if digits is None:
            raise ExportError(
                f"compute capability {part.strip()!r} is unreadable; give a list like 75,86,89"
            )
        found.add(int(digits[1] + digits[2]))
    return tuple(sorted(found))


def parse_shapes(text: str) -> tuple[ShapeRange, ...]:
    """Read image sizes, heights by widths: ``min:opt:max``, or one fixed size; several with ``,``.

    Example: ``240x320:480x640:1088x1920``.

    Raises:
        ExportError: unreadable, or not in growing order.
    """
    return tuple(_parse_range(part, 2, "image sizes", "HxW") for part in text.split(","))


def parse_rows(text: str) -> ShapeRange:
    """Read numbers of template rows: ``min:opt:max``, or one fixed number.

    Raises:
        ExportError: unreadable, or not in growing order.
    """
    return _parse_range(text, 1, "template rows", "M")


def _parse_range(text: str, sides: int, what: str, form: str) -> ShapeRange:
    """One range of shapes with a number of sides."""
    pattern = "x".join([r"(\d{1,6})"] * sides)
    parts = [re.fullmatch(pattern, part.strip(), re.IGNORECASE) for part in text.split(":")]
    shapes = [tuple(int(side) for side in part.groups()) for part in parts if part]
    if len(shapes) != len(parts) or len(shapes) not in (1, 3):
        raise ExportError(f"{what} {text!r} are unreadable; give {form}, or {form}:{form}:{form}")
    result = ShapeRange(*(shapes if len(shapes) == 3 else shapes * 3))  # noqa: PLR2004
    check_order(what, result)
    return result


def check_order(what: str, shapes: ShapeRange) -> None:
    """Refuse a range whose minimum, optimum and maximum do not grow.

    Raises:
        ExportError: naming the offending numbers.
    """
    lengths = {len(shapes.minimum), len(shapes.optimum), len(shapes.maximum)}
    if len(lengths) != 1:
        raise ExportError(f"{what} {shapes}: minimum, optimum and maximum differ in dimensions")
    for low, usual, high in zip(shapes.minimum, shapes.optimum, shapes.maximum, strict=True):
        if low < 1:
            raise ExportError(f"{what} {shapes}: {low} is too small; give at least 1")
        if not low <= usual <= high:
            raise ExportError(
                f"{what} {shapes}: {low}, {usual}, {high} do not grow; give minimum:optimum:maximum"
            )


def feature_profiles(spec: BundleSpec, options: EngineOptions) -> list[GraphProfile]:
    """Profiles of the features graph: one image ``(1, H, W, 3)`` per range of sizes.

    Where the first range reaches down to small images, there is one for several of them at once.

    Raises:
        ExportError: a side that the network's stride does not allow.
    """
    ranges = _image_shapes(spec, options)
    single = [GraphProfile({"image": _map(shapes, lambda s: (1, *s, 3))}, {}) for shapes in ranges]
    small = _small_images(ranges[0], spec.backbone.align)
    return single if small is None else [*single, GraphProfile({"image": small}, {})]


def _small_images(shapes: ShapeRange, align: int) -> ShapeRange | None:
    """The small ones in a range of image sizes, several at once; ``None`` where there are none."""
    low, high = shapes.minimum, tuple(min(side, SMALL_MAXIMUM) for side in shapes.maximum)
    if low == shapes.maximum or any(a > b for a, b in zip(low, high, strict=True)):
        return None
    usual = tuple(
        min(max(side, SMALL_OPTIMUM // align * align), most)
        for side, most in zip(low, high, strict=True)
    )
    sides = (low, usual, high)
    return ShapeRange(*((n, *s, 3) for n, s in zip(SMALL_BATCH, sides, strict=True)))


def match_profiles(spec: BundleSpec, options: EngineOptions) -> list[GraphProfile]:
    """Profiles of the matching graph: for each range of image sizes a coarse and a fine one.

    Both reach to the fine map of the largest image: the coarse map of an image that was encoded
    in tiles may be as large.

    Raises:
        ExportError: as :func:`feature_profiles`, or rows that do not grow.
    """
    rows = options.template_rows or _recipe_rows(spec)
    check_order("template rows", rows)
    extra = spec.recipes.match.competitors
    coarse_rows = ShapeRange(
        rows.minimum,
        _between(rows, (rows.optimum[0] - extra) // 4 + extra),
        _between(rows, (rows.maximum[0] - extra) // 2 + extra),
    )
    backbone = spec.backbone
    return [
        _match_profile(spec, shapes, count, stride)
        for shapes in _image_shapes(spec, options)
        for count, stride in ((coarse_rows, backbone.coarse_stride), (rows, backbone.stride))
    ]


def network_profiles(spec: BundleSpec, role: str) -> list[GraphProfile]:
    """The profile of a bundle's trained network with a role; none where it has no such network."""
    found = [info for info in spec.files.values() if info.role == role]
    return [
        GraphProfile({tensor.name: _network_range(tensor.shape) for tensor in info.inputs}, {})
        for info in found
    ]


def _network_range(shape: tuple[int | str, ...]) -> ShapeRange:
    """The range of an input's shape, in which named sides may change."""
    sides = [
        NETWORK_SIDES.get(side, NETWORK_SIDE) if isinstance(side, str) else (side,) * 3
        for side in shape
    ]
    return ShapeRange(*zip(*sides, strict=True))


def _match_profile(
    spec: BundleSpec, shapes: ShapeRange, rows: ShapeRange, stride: int
) -> GraphProfile:
    """The matching graph's profile for maps at one stride."""
    channels, finest = spec.backbone.channels, spec.backbone.stride
    # The runtime cuts off cells that lie in the padding: up to one alignment step less one pixel.
    smallest = tuple((side - spec.backbone.align) // stride + 1 for side in shapes.minimum)
    usual = tuple(side // stride for side in shapes.optimum)
    largest = tuple(side // finest for side in shapes.maximum)
    maps = ShapeRange(smallest, usual, largest)
    # Only the matching graphs of earlier versions look for windows.
    windows = WINDOW in {tensor.name for tensor in _tensors(spec, "match")}
    return GraphProfile(
        shapes={
            "template": _map(rows, lambda s: (*s, channels)),
            "target": rows,
            "search": _map(maps, lambda s: (channels, *s)),
        },
        values={WINDOW: ShapeRange((1, 1), (8, 8), largest)} if windows else {},
    )


def _tensors(spec: BundleSpec, role: str) -> Sequence[TensorInfo]:
    """The inputs of the graph with a role; none before it is written."""
    return next((info.inputs for info in spec.files.values() if info.role == role), ())


def _map(shapes: ShapeRange, change: Callable[[tuple[int, ...]], tuple[int, ...]]) -> ShapeRange:
    """Apply a function to each shape of a range."""
    return ShapeRange(change(shapes.minimum), change(shapes.optimum), change(shapes.maximum))


def _between(rows: ShapeRange, count: int) -> tuple[int]:
    """A number of rows, kept inside a range."""
    return (min(max(rows.minimum[0], count), rows.maximum[0]),)


def _recipe_rows(spec: BundleSpec) -> ShapeRange:
    """Rows that templates of the bundle's recipe have at the finer stride."""
    side = spec.recipes.match.max_side / spec.backbone.stride
    factor = side * side / OPTIMUM_ROWS
    usual, most = (max(1, round(rows * factor)) for rows in (OPTIMUM_ROWS, MAXIMUM_ROWS))
    extra = spec.recipes.match.competitors
    return ShapeRange((1,), (usual + extra,), (most + extra,))


def _image_shapes(spec: BundleSpec, options: EngineOptions) -> Sequence[ShapeRange]:
    """The ranges of image sizes, each checked against the network's stride."""
    align = spec.backbone.align
    if not options.image_shapes:
        usual, most = (
            tuple(-(-side // align) * align for side in sides)
            for sides in (OPTIMUM_IMAGE, MAXIMUM_IMAGE)
        )
        return (ShapeRange((align, align), usual, most),)
    for shapes in options.image_shapes:
        check_order("image sizes", shapes)
        for side in {*shapes.minimum, *shapes.optimum, *shapes.maximum}:
            _check_side(side, align, shapes)
    return options.image_shapes


def _check_side(side: int, align: int, shapes: ShapeRange) -> None:
    """Refuse an image side that the runtime would never feed."""
    below, above = side // align * align, -(-side // align) * align
    if side < align:
        raise ExportError(
            f"image sizes {shapes}: {side} px is below what the network takes; "
            f"give at least {align}"
        )
    if below != side:
        raise ExportError(
            f"image sizes {shapes}: {side} px is not a multiple of the network's {align}; "
            f"images are padded to one, so give {below} or {above}"
        )
