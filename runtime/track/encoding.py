"""What a tracker sees of a frame: its regions, those of one size encoded together."""

from __future__ import annotations

from collections.abc import Sequence

from ..images import Image
from ..patches.encoder import Encoder
from ..patches.region import Region, RegionFeatures, cut_region


def encode_region(encoder: Encoder, frame: Image, region: Region) -> RegionFeatures:
    """Features of a region of a frame."""
    return encode_regions(encoder, frame, (region,))[0]


def encode_regions(
    encoder: Encoder, frame: Image, regions: Sequence[Region]
) -> list[RegionFeatures]:
    """Features of several regions of a frame, in their order; those of one size together."""
    sizes: dict[tuple[int, int], list[int]] = {}
    for index, region in enumerate(regions):
        sizes.setdefault((region.width, region.height), []).append(index)
    seen: dict[int, RegionFeatures] = {}
    for members in sizes.values():
        pictures = [cut_region(frame, regions[index]) for index in members]
        maps = encoder.encode_crops(pictures)
        for index, pixels, both in zip(members, pictures, maps, strict=True):
            seen[index] = RegionFeatures(regions[index], pixels, *both)
    return [seen[index] for index in range(len(regions))]
