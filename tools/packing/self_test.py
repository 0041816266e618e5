"""The self-test of a packed bundle: pictures, and the answer that FP32 gave where it was packed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from ...runtime import Aligner, Matcher, Verifier
from ...runtime.backends.graph import DEVICES, Device, Precision, named_device, named_precision
from ...runtime.bundle.folder import Bundle
from ...runtime.errors import BundleError, QatmError, first_line
from ...runtime.images import Image, read_image
from ...runtime.json_values import list_of, member, number_of, object_of, read_json, text_of
from ...runtime.kinds import Bound
from ..evaluation.device.gpu_report import find_precisions
from .self_test_pictures import BOX, SelfTestPictures

FOLDER = "selftest"
FILE = "selftest.json"
PICTURES = ("frame.png", "image.png", "without.png")
"""The object in its frame, a picture to find it in, and one that lacks it."""

SCHEMA = 1

MOST_SIDES: Bound[int] = 16
"""Numbers of one quantity of an answer."""

Answer = Mapping[str, Any]
"""Lists are places in pixels, numbers scores, and booleans decisions."""

LIMITS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"fp32": (0.2, 0.02), "fp16": (1.0, 0.05), "int8": (4.0, 0.1)}
)
"""How many pixels and how much of a score an answer may differ, by precision."""


@dataclass(frozen=True)
class AnswerCheck:
    """One quantity of the self-test on one device at one precision.

    Attributes:
        device: it ran on.
        precision: of the features.
        what: ``box``, ``score``, ``found`` and so on; ``runs`` where there is no answer.
        error: how far it is from the answer in the pack; infinite where there is none.
        tolerance: the largest error that passes.
        detail: both values, or why there is no answer.
    """

    device: str
    precision: str
    what: str
    error: float
    tolerance: float
    detail: str

    @property
    def passed(self) -> bool:
        """Whether the error is within the tolerance; NaN is not."""
        return self.error <= self.tolerance

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON; an error that is not a finite number becomes ``None``."""
        error = self.error if math.isfinite(self.error) else None
        return {"selftest": self.what, **asdict(self), "error": error, "passed": self.passed}


@dataclass(frozen=True)
class SelfTest:
    """What a pack is asked, where, and what the right answer is.

    Attributes:
        target: what the bundle was packed for.
        devices: on which it must run there.
        answer: of FP32 on the CPU where it was packed.
        folder: of the pictures.
    """

    target: str
    devices: tuple[str, ...]
    answer: Answer
    folder: Path

    @classmethod
    def load(cls, bundle: Path) -> SelfTest | None:
        """The self-test of a bundle's folder, or ``None`` where it has none.

        Raises:
            BundleError: it is damaged.
        """
        file = bundle / FOLDER / FILE
        if not file.is_file():
            return None
        try:
            data = object_of(read_json(file), "the self-test")
            if member(data, "schema") != SCHEMA:
                raise ValueError(f"schema {data['schema']!r} is not {SCHEMA}")
            named = list_of(member(data, "devices"), "devices", len(DEVICES))
            answer = object_of(member(data, "answer"), "answer")
            return cls(
                text_of(member(data, "target"), "target"),
                tuple(text_of(name, "device") for name in named),
                {what: _value_of(value, what) for what, value in answer.items()},
                file.parent,
            )
        except (OSError, ValueError) as error:
            raise BundleError(f"{file} cannot be read ({error}); pack the bundle again") from error

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary for ``json.dump``."""
        return {
            "schema": SCHEMA,
            "target": self.target,
            "devices": list(self.devices),
            "pictures": dict(zip(("frame", "image", "without"), PICTURES, strict=True)),
            "box": list(BOX),
            "answer": dict(self.answer),
        }

    def run(self, bundle: Bundle, devices: Sequence[str] = ()) -> Iterator[AnswerCheck]:
        """Ask the bundle on each device, at each precision that it has for it.

        Args:
            bundle: the packed one.
            devices: instead of those that it was packed for.

        Raises:
            ImageError: a picture is missing or damaged.
        """
        pictures = SelfTestPictures(*(read_image(self.folder / name) for name in PICTURES))
        for device in devices or self.devices:
            precisions = find_precisions(bundle, device)
            if isinstance(precisions, str):
                yield AnswerCheck(device, "", "runs", math.inf, 0.0, precisions)
                continue
            for precision in precisions:
                try:
                    found = ask(bundle, pictures, named_device(device), named_precision(precision))
                except (QatmError, ValueError, IndexError) as error:
                    yield AnswerCheck(device, precision, "runs", math.inf, 0.0, first_line(error))
                else:
                    yield from _compare(device, precision, found, self.answer)


def ask(bundle: Bundle, pictures: SelfTestPictures, device: Device, precision: Precision) -> Answer:
    """The answer of a bundle, by what it is for.

    Raises:
        QatmError: the device or the precision does not work.
    """
    task = TASKS.get(bundle.spec.task, _match)
    return task(bundle, pictures, named_device(device), named_precision(precision))


def _match(
    bundle: Bundle, pictures: SelfTestPictures, device: Device, precision: Precision
) -> Answer:
    """Where the object is, and whether it is seen where it is not."""
    with Matcher(bundle, device, precision=precision) as matcher:
        matcher.set_template(pictures.frame, BOX)
        best = matcher.match(pictures.image)[0]
        other = matcher.match(pictures.without)[0]
    return {
        "box": [float(side) for side in best.box],
        "score": float(best.score),
        "found": bool(best.found),
        "found where it is not": bool(other.found),
    }


def _align(
    bundle: Bundle, pictures: SelfTestPictures, device: Device, precision: Precision
) -> Answer:
    """Where the object's corners land."""
    x, y, w, h = BOX
    corners = [(x, y), (x + w, y), (x + w, y + h), (x, y + h)]
    with Aligner(bundle, device, precision=precision) as aligner:
        found = aligner.align(pictures.frame, pictures.near)
    points = np.asarray(found.transfer(corners), np.float64)
    return {
        "points": [float(value) for value in points.ravel()],
        "score": float(found.score),
        "found": bool(found.found),
    }


def _verify(
    bundle: Bundle, pictures: SelfTestPictures, device: Device, precision: Precision
) -> Answer:
    """Whether it is the same place, and another one."""
    with Verifier(pictures.frame, bundle, device, precision=precision) as verifier:
        near, other = verifier.verify(pictures.near), verifier.verify(pictures.without)
    return {
        "score": float(near.score),
        "same place": bool(near.same_place),
        "other place taken for it": bool(other.same_place),
    }


TASKS: Mapping[str, Callable[[Bundle, SelfTestPictures, Device, Precision], Answer]] = (
    MappingProxyType({"match": _match, "align": _align, "verify": _verify})
)


def _value_of(value: Any, what: str) -> Any:
    """One quantity of an answer that was read.

    Raises:
        ValueError: no truth value, finite number or list of some.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, list):
        return [number_of(side, what) for side in list_of(value, what, MOST_SIDES)]
    return number_of(value, what)


def _compare(device: str, precision: str, found: Answer, truth: Answer) -> Iterator[AnswerCheck]:
    """Each quantity of an answer."""
    pixels, score = LIMITS[precision]
    for what, expected in truth.items():
        seen = found.get(what)
        detail = f"{_shown(seen)}, expected {_shown(expected)}"
        if isinstance(expected, bool):
            yield AnswerCheck(device, precision, what, float(seen != expected), 0.0, detail)
        elif isinstance(expected, list):
            error = math.inf
            if isinstance(seen, list) and len(seen) == len(expected):
                pairs = zip(seen, expected, strict=True)
                error = max((abs(a - b) for a, b in pairs), default=0.0)
            yield AnswerCheck(device, precision, what, error, pixels, detail)
        else:
            error = math.inf if isinstance(seen, list | None) else abs(seen - expected)
            yield AnswerCheck(device, precision, what, error, score, detail)


def _shown(value: Any) -> str:
    """A value for people."""
    if isinstance(value, list):
        return " ".join(f"{side:.1f}" for side in value)
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def pictures_of(pictures: SelfTestPictures) -> dict[str, Image]:
    """The pictures by file name."""
    return dict(zip(PICTURES, (pictures.frame, pictures.image, pictures.without), strict=True))
