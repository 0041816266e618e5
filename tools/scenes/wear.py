"""What cameras, scanners and screens do to a picture: light, contrast, blur, noise, JPEG."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from .stickers import Array, Picture

Random = np.random.Generator


@dataclass(frozen=True)
class Wear:
    """How much a picture may change; each scene draws within it.

    Attributes:
        gain: most that light is stronger or weaker, as a share.
        offset: most that black is lifted, in grey levels.
        gamma: most that the curve is bent, as a share.
        slope: most that light differs between two sides, as a share.
        cast: most that a channel differs from the others, as a share.
        blur: largest standard deviation, in pixels.
        noise: the same, in grey levels.
        jpeg: chance that it is compressed.
        quality: lowest and highest JPEG quality.
    """

    gain: float = 0.0
    offset: float = 0.0
    gamma: float = 0.0
    slope: float = 0.0
    cast: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    jpeg: float = 0.0
    quality: tuple[int, int] = (80, 96)


SCREEN = Wear(gain=0.03, gamma=0.05, noise=0.6, jpeg=0.3, quality=(72, 97))
SCAN = Wear(0.12, 12.0, 0.2, 0.08, 0.05, 0.9, 6.0, 0.7, (40, 92))
CAMERA = Wear(0.25, 14.0, 0.25, 0.35, 0.08, 1.0, 8.0, 0.6, (45, 95))


def worn(picture: Picture, wear: Wear, random: Random) -> Picture:
    """A picture as it comes out of a device: a new one of the same shape."""
    # Half of the pictures are hardly touched in each respect.
    strengths = np.maximum(random.uniform(-1.0, 1.0, 6), 0.0)
    answer = _lit(picture, wear, random)
    if (sigma := wear.blur * strengths[0]) > 0.25:
        answer = np.asarray(cv2.GaussianBlur(answer, (0, 0), sigma), np.uint8)
    if (sigma := wear.noise * strengths[1]) > 0.3:
        answer = _noisy(answer, sigma, random)
    if random.random() < wear.jpeg:
        answer = compressed(answer, int(random.integers(*wear.quality)))
    return answer


def gentler(wear: Wear, share: float) -> Wear:
    """The same device on a better day."""
    return replace(
        wear,
        gain=wear.gain * share,
        slope=wear.slope * share,
        blur=wear.blur * share,
        noise=wear.noise * share,
    )


def compressed(picture: Picture, quality: int) -> Picture:
    """A picture after JPEG."""
    data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def grey(picture: Picture) -> Picture:
    """A picture without colour, still of three channels."""
    return np.asarray(
        cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR), np.uint8
    )


def _lit(picture: Picture, wear: Wear, random: Random) -> Picture:
    """Another light: a curve for each channel, then a slope across the picture."""
    gain = 1.0 + wear.gain * random.uniform(-1.0, 1.0)
    gamma = 1.0 + wear.gamma * random.uniform(-1.0, 1.0)
    lift = wear.offset * max(0.0, random.uniform(-1.0, 1.0))
    cast = 1.0 + wear.cast * random.uniform(-1.0, 1.0, 3)
    levels = np.linspace(0.0, 1.0, 256)[:, None] ** gamma
    curve = np.clip(lift + (255.0 - lift) * levels * gain * cast, 0, 255)
    answer = np.asarray(cv2.LUT(picture, np.rint(curve).astype(np.uint8)[None]), np.uint8)
    slope = wear.slope * random.uniform(-1.0, 1.0, 2)
    if np.abs(slope).max() > 0.02:
        answer = _sloped(answer, slope)
    return answer


def _sloped(picture: Picture, slope: Array) -> Picture:
    """Darker towards some sides."""
    height, width = picture.shape[:2]
    across = slope[0] * np.linspace(-0.5, 0.5, width, dtype=np.float32)
    down = slope[1] * np.linspace(-0.5, 0.5, height, dtype=np.float32)
    light = 1.0 + across[None, :] + down[:, None]
    light = np.dstack([light / light.max()] * 3).astype(np.float32)
    return np.asarray(cv2.multiply(picture, light, dtype=cv2.CV_8U), np.uint8)


def _noisy(picture: Picture, sigma: float, random: Random) -> Picture:
    """Gaussian noise; it repeats down the picture, out of step, which saves most of its time."""
    height, width = picture.shape[:2]
    rows = min(height, 96)
    strip = np.rint(random.standard_normal((rows, width, 3), np.float32) * sigma).astype(np.int16)
    count = -(-height // rows)
    shifts = random.integers(0, width, count)
    noise = np.concatenate([np.roll(strip, int(shift), axis=1) for shift in shifts])[:height]
    return np.asarray(cv2.add(picture, noise, dtype=cv2.CV_8U), np.uint8)
