"""Panoramas from photos taken by turning a camera, and where each photo lies in them.

Key points (SIFT) are matched between all pairs of photos. How much larger one photo shows things
than another tells the few zoom settings apart; the focal length is the one with which the pairs
agree best on mere rotations; the rotations are chained along the strongest pairs and then improved
in turn. The panorama shows angles: a pixel is as wide as a photo's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ....runtime.errors import InputError
from ....runtime.images import Image
from ....runtime.verify.views import outline

Array = NDArray[Any]
Rays = dict[tuple[int, int], tuple[Array, Array]]
"""Directions that two photos share, each in its camera's frame."""

ENLARGE_TO = 512
"""Photos are enlarged to this long side for finding key points."""

KEY_POINTS = 800
RATIO = 0.8
"""Distance of the best match by that of the second best (Lowe, 2004)."""

FEWEST = 12
PAIR_ERROR = 1.5
"""Pixels of the photo within which key points agree on a homography."""

MOST_POINTS = 60
"""Key points of a pair that are kept, evenly spread over them."""

FOCALS = np.geomspace(0.4, 6.0, 40)
"""Focal lengths tried, by the photo's long side."""

ZOOM_GAP = 0.08
"""Log focal lengths further apart than this belong to different zoom settings."""

SWEEPS = 20
FEATHER = 4.0


@dataclass(frozen=True)
class OverlappingPair:
    """Key points that two photos share, ``(K, 2)`` each."""

    i: int
    j: int
    first: Array
    second: Array


@dataclass(frozen=True)
class Turns:
    """How the camera was turned for each photo.

    Attributes:
        sizes: width and height of each photo.
        focals: of each photo, in pixels.
        rotations: 3x3 from camera to world for each photo that could be placed; the world's x
            points right, y down, z ahead.
    """

    sizes: tuple[tuple[int, int], ...]
    focals: tuple[float, ...]
    rotations: dict[int, Array]

    def directions(self, photo: int, points: Array) -> Array:
        """World directions ``(K, 3)`` of pixels ``(K, 2)`` of a photo."""
        rays = _rays(points, self.focals[photo], self.sizes[photo])
        return rays @ self.rotations[photo].T

    def border(self, photo: int) -> Array:
        """Angles ``(K, 2)`` of a photo's outline, to the right and downwards."""
        return _angles(self.directions(photo, outline(*self.sizes[photo])))


@dataclass(frozen=True)
class Panorama:
    """A panorama, which of its pixels show anything, and the angles of its top left corner."""

    image: Image
    valid: Array
    corner: tuple[float, float]
    focal: float

    def place(self, turns: Turns, photo: int) -> Array:
        """``(H, W)`` bool, the valid pixels that a photo's outline holds."""
        points = (turns.border(photo) - self.corner) * self.focal - 0.5
        width = 2 * np.pi * self.focal
        points[:, 0] = np.unwrap(points[:, 0], period=width)
        mask = np.zeros(self.valid.shape, np.uint8)
        for turn in (-1, 0, 1):
            moved = np.round(points + np.array([turn * width, 0.0])).astype(np.int32)
            cv2.fillPoly(mask, [moved], 1)
        return (mask > 0) & self.valid


def find_turns(photos: Sequence[Image]) -> Turns:
    """Find how the camera was turned between photos of one size, upright or on their side.

    Raises:
        InputError: photos of different sizes, or no two that overlap.
    """
    sizes = tuple((photo.shape[1], photo.shape[0]) for photo in photos)
    if len({tuple(sorted(size)) for size in sizes}) != 1:
        raise InputError(f"photos of one panorama have different sizes: {sorted(set(sizes))}")
    points = [_key_points(photo) for photo in photos]
    pairs = [
        pair
        for i in range(len(photos))
        for j in range(i + 1, len(photos))
        if (pair := _match(i, j, points[i], points[j])) is not None
    ]
    if not pairs:
        raise InputError("no two of the photos overlap; a panorama needs overlapping ones")
    zooms = _zooms(pairs, len(photos))
    rays: Rays = {}
    least, focals = np.inf, zooms
    for focal in FOCALS * max(sizes[0]):
        tried = _pair_rays(pairs, focal * zooms, sizes)
        error = _turning_error(tried, focal)
        if error < least:
            least, rays, focals = error, tried, focal * zooms
    rotations = _chain(rays)
    for _ in range(SWEEPS):
        _improve(rotations, rays, float(np.median(focals)))
    return Turns(sizes, tuple(float(f) for f in focals), _upright(rotations))


def render(photos: Sequence[Image], turns: Turns, chosen: Sequence[int]) -> Panorama:
    """Draw the panorama that some of the photos make."""
    focal = float(np.median(turns.focals))
    border = [turns.border(k) for k in chosen]
    # A photo across the back of the turn has both ends of the angles.
    across = any(np.ptp(angles[:, 0]) > np.pi for angles in border)
    low, high = (
        getattr(np.concatenate(border), side)(axis=0).astype(float) for side in ("min", "max")
    )
    if across:
        low[0], high[0] = -np.pi, np.pi
    columns, rows = (max(1, round(side)) for side in (high - low) * focal)
    theta = low[0] + (np.arange(columns) + 0.5) / focal
    phi = low[1] + (np.arange(rows) + 0.5) / focal
    across_grid, down_grid = np.meshgrid(theta, phi)
    flat = np.cos(down_grid)
    world = np.stack(
        [np.sin(across_grid) * flat, np.sin(down_grid), np.cos(across_grid) * flat], -1
    )
    total, weights = np.zeros((rows, columns, 3)), np.zeros((rows, columns))
    for k in chosen:
        width, height = turns.sizes[k]
        camera = world @ turns.rotations[k]
        ahead = camera[..., 2] > 1e-6
        depth = np.where(ahead, camera[..., 2], 1.0)
        x = camera[..., 0] / depth * turns.focals[k] + (width - 1) / 2
        y = camera[..., 1] / depth * turns.focals[k] + (height - 1) / 2
        inside = np.minimum(np.minimum(x, width - 1 - x), np.minimum(y, height - 1 - y)) + 1
        weight = np.where(ahead & (inside >= 1), np.maximum(inside, 0), 0.0) ** FEATHER
        grid = x.astype(np.float32), y.astype(np.float32)
        total += cv2.remap(photos[k], *grid, cv2.INTER_LINEAR) * weight[..., None]
        weights += weight
    valid = weights > 0
    image = (total / np.where(valid, weights, 1.0)[..., None]).round().astype(np.uint8)
    return Panorama(image, valid, (float(low[0]), float(low[1])), focal)


def _key_points(photo: Image) -> tuple[Array, Array]:
    """Key points in pixels, and descriptors whose dot product is a similarity (RootSIFT)."""
    factor = max(1.0, ENLARGE_TO / max(photo.shape[:2]))
    grey = cv2.cvtColor(photo, cv2.COLOR_BGR2GRAY)
    large = cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    # By its class, not by SIFT_create, which the type stubs do not know.
    sift = cv2.SIFT.create(KEY_POINTS, contrastThreshold=0.02)
    found, rows = sift.detectAndCompute(large, None)
    if rows is None or len(found) < FEWEST:
        return np.zeros((0, 2)), np.zeros((0, 128), np.float32)
    points = (np.array([point.pt for point in found]) + 0.5) / factor - 0.5
    return points, np.sqrt(rows / np.maximum(rows.sum(1, keepdims=True), 1e-6))


def _match(
    i: int, j: int, one: tuple[Array, Array], two: tuple[Array, Array]
) -> OverlappingPair | None:
    """What two photos share, or ``None`` if that is too little to be sure."""
    if len(one[0]) < FEWEST or len(two[0]) < FEWEST:
        return None
    likeness = one[1] @ two[1].T
    best = likeness.argmax(1)
    index = np.arange(len(best))
    top = likeness[index, best]
    mutual = likeness.argmax(0)[best] == index
    likeness[index, best] = -1
    distance, second = (np.sqrt(np.maximum(2 - 2 * s, 0)) for s in (top, likeness.max(1)))
    kept = mutual & (distance < RATIO * second)
    if kept.sum() < FEWEST:
        return None
    first, second = one[0][kept], two[0][best[kept]]
    settings = cv2.UsacParams()
    settings.threshold = PAIR_ERROR
    homography, inliers = cv2.findHomography(first, second, settings)
    if homography is None:
        return None
    agreed = np.flatnonzero(inliers.ravel())
    # Chance agreement grows with the number of matches (Brown and Lowe, 2007).
    if len(agreed) < max(FEWEST, 8 + 0.3 * len(first)):
        return None
    spread = agreed[np.linspace(0, len(agreed) - 1, min(MOST_POINTS, len(agreed))).astype(int)]
    return OverlappingPair(i, j, first[spread], second[spread])


def _rays(points: Array, focal: float, size: tuple[int, int]) -> Array:
    """Unit directions of pixels in the camera's own frame."""
    centred = points - (np.array(size) - 1) / 2
    rays = np.concatenate([centred, np.full((len(points), 1), focal)], 1)
    return rays / np.linalg.norm(rays, axis=1, keepdims=True)


def _angles(directions: Array) -> Array:
    """Angle to the right and downwards, ``(K, 2)`` radians."""
    right = np.arctan2(directions[:, 0], directions[:, 2])
    return np.stack([right, np.arcsin(np.clip(directions[:, 1], -1, 1))], 1)


def _rotation(first: Array, second: Array, weight: Array | None = None) -> Array:
    """The rotation that brings directions nearest to others (Kabsch, 1976)."""
    product = (first if weight is None else first * weight[:, None]).T @ second
    left, _, right = np.linalg.svd(product)
    sign = np.sign(np.linalg.det(right.T @ left.T))
    return right.T @ np.diag([1.0, 1.0, sign]) @ left.T


def _zooms(pairs: Sequence[OverlappingPair], count: int) -> Array:
    """Relative focal length of each photo; photos of one zoom setting share exactly one.

    Shared key points spread wider in the photo of the longer focal length. Least squares over all
    pairs, then settings that are told apart by a gap.
    """
    system, ratios = np.zeros((len(pairs), count)), np.zeros(len(pairs))
    for row, pair in enumerate(pairs):
        spreads = [(p - p.mean(0)).std() + 1e-9 for p in (pair.first, pair.second)]
        weight = np.sqrt(len(pair.first))
        system[row, pair.j], system[row, pair.i] = weight, -weight
        ratios[row] = weight * np.log(spreads[1] / spreads[0])
    logs = np.linalg.lstsq(system, ratios, rcond=None)[0]
    order = np.argsort(logs)
    settings = np.split(order, np.flatnonzero(np.diff(logs[order]) > ZOOM_GAP) + 1)
    zooms = np.ones(count)
    usual = np.median(logs[max(settings, key=len)])
    for members in settings:
        zooms[members] = np.exp(np.median(logs[members]) - usual)
    return zooms


def _pair_rays(
    pairs: Sequence[OverlappingPair], focals: Array, sizes: Sequence[tuple[int, int]]
) -> Rays:
    """Directions of the key points that each pair shares."""
    return {
        (pair.i, pair.j): (
            _rays(pair.first, float(focals[pair.i]), sizes[pair.i]),
            _rays(pair.second, float(focals[pair.j]), sizes[pair.j]),
        )
        for pair in pairs
    }


def _turning_error(rays: Rays, focal: float) -> float:
    """Mean error in pixels, each at most 4, of pure rotations between the pairs."""
    errors = []
    for first, second in rays.values():
        moved = first @ _rotation(first, second).T
        errors.append(np.minimum(np.linalg.norm(moved - second, axis=1) * focal, 4))
    return float(np.concatenate(errors).mean())


def _chain(rays: Rays) -> dict[int, Array]:
    """Rotations along the pairs that share most, from the photo that shares most."""
    shared: dict[int, int] = {}
    for pair, (first, _) in rays.items():
        for k in pair:
            shared[k] = shared.get(k, 0) + len(first)
    rotations = {max(shared, key=lambda k: shared[k]): np.eye(3)}
    while True:
        open_pairs = [pair for pair in rays if (pair[0] in rotations) != (pair[1] in rotations)]
        if not open_pairs:
            return rotations
        i, j = max(open_pairs, key=lambda pair: len(rays[pair][0]))
        first, second = rays[i, j]
        if i in rotations:
            rotations[j] = rotations[i] @ _rotation(second, first)
        else:
            rotations[i] = rotations[j] @ _rotation(first, second)


def _improve(rotations: dict[int, Array], rays: Rays, focal: float) -> None:
    """Turn each photo to where its neighbours see its key points, in place."""
    for k in list(rotations)[1:]:
        own, seen = [], []
        for (i, j), (first, second) in rays.items():
            if k not in (i, j) or i not in rotations or j not in rotations:
                continue
            own.append(first if k == i else second)
            seen.append(second @ rotations[j].T if k == i else first @ rotations[i].T)
        mine, theirs = np.concatenate(own), np.concatenate(seen)
        errors = np.linalg.norm(mine @ rotations[k].T - theirs, axis=1) * focal
        rotations[k] = _rotation(mine, theirs, 1 / (1 + (errors / 2) ** 2))


def _upright(rotations: dict[int, Array]) -> dict[int, Array]:
    """Level the horizon: photos are taken with their rows level (Brown and Lowe, 2007)."""
    rows = np.stack([rotation[:, 0] for rotation in rotations.values()])
    down = np.linalg.eigh(rows.T @ rows)[1][:, 0]
    down = down * np.sign(sum(rotation[:, 1] @ down for rotation in rotations.values()) or 1)
    ahead = sum(rotation[:, 2] for rotation in rotations.values())
    ahead = ahead - down * (ahead @ down)
    if np.linalg.norm(ahead) < 0.1 * len(rotations):
        first = next(iter(rotations.values()))[:, 2]
        ahead = first - down * (first @ down)
    ahead = ahead / np.linalg.norm(ahead)
    world = np.stack([np.cross(down, ahead), down, ahead])
    return {k: world @ rotation for k, rotation in rotations.items()}
