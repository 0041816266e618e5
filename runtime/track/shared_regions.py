"""Search regions that are cheaper to encode together."""

from __future__ import annotations

import math

from ..patches.region import Region, RegionFeatures
from ..patches.windows import cells_around


def group_regions(
    regions: dict[int, Region], align: int, same_scale: float
) -> list[tuple[Region, list[int]]]:
    """Join regions wherever one encoding of both has no more pixels than two.

    Args:
        regions: by the number of their object.
        align: sides of a joined region are multiples of this many working pixels.
        same_scale: regions whose scales differ by no more than this factor may be joined.

    Returns:
        Regions to encode, each with the numbers of the regions inside it; a region that stays
        alone is unchanged.
    """
    groups = [(region, [number]) for number, region in regions.items()]
    joined = True
    while joined:
        joined = False
        for i, (a, members) in enumerate(groups):
            for j in range(i + 1, len(groups)):
                b, others = groups[j]
                both = _join(a, b, align, same_scale)
                if both is not None:
                    groups[i] = (both, members + others)
                    del groups[j]
                    joined = True
                    break
            if joined:
                break
    return groups


def part_of(features: RegionFeatures, wanted: Region, coarse_stride: int) -> RegionFeatures:
    """The cells of an encoded region that cover another one of the same working size.

    The part begins on a whole coarse cell, so its edges differ from the wanted ones by up to one
    cell, and its scale is that of the whole.
    """
    whole = features.region
    x, y = whole.to_working(wanted.left, wanted.top)
    columns, rows = wanted.width // coarse_stride, wanted.height // coarse_stride
    shape = features.coarse.shape[1:]
    part = cells_around(
        round(x / coarse_stride), round(y / coarse_stride), (rows, columns), shape, 0
    )
    fine = part.times(features.taps.shape[0] // shape[0])
    pixels = part.times(coarse_stride)
    left, top = whole.to_frame(pixels.left, pixels.top)
    return RegionFeatures(
        Region(left, top, whole.scale, wanted.width, wanted.height),
        features.image[pixels.top : pixels.bottom, pixels.left : pixels.right],
        features.taps.part(fine),
        part.cut(features.coarse),
    )


def _join(a: Region, b: Region, align: int, same_scale: float) -> Region | None:
    """The region around two, or ``None`` where encoding them apart is cheaper."""
    if a.angle != 0 or b.angle != 0 or max(a.scale, b.scale) > same_scale * min(a.scale, b.scale):
        return None
    scale = math.sqrt(a.scale * b.scale)
    left, top = min(a.left, b.left), min(a.top, b.top)
    ends = [region.to_frame(region.width, region.height) for region in (a, b)]
    width = (max(x for x, _ in ends) - left) * scale
    height = (max(y for _, y in ends) - top) * scale
    # A part keeps its working size, which at the common scale may be a little wider.
    width, height = max(width, a.width, b.width), max(height, a.height, b.height)
    columns, rows = (align * math.ceil(side / align) for side in (width, height))
    if columns * rows > a.width * a.height + b.width * b.height:
        return None
    return Region(left, top, scale, columns, rows)
