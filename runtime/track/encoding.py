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
    pictures = [cut_region(frame, region) for region in regions]
    maps = encoder.encode_each(pictures)
    return [
        RegionFeatures(region, pixels, *both)
        for region, pixels, both in zip(regions, pictures, maps, strict=True)
    ]
