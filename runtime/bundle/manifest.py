"""What ``bundle.json`` says: the contract between export, calibration and runtime."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from ..errors import BundleError, InputError

SCHEMA_VERSION = 1
MAY_BE_ZERO = (
    *("competitors", "refine", "exclusive", "size_step"),
    *("slope", "likeness", "offset", "threshold"),
)


@dataclass(frozen=True)
class BackboneInfo:
    """The network that makes the features.

    Attributes:
        name: for example ``efficientnet-lite0``.
        taps: the layers whose outputs are concatenated.
        channels: length of a feature vector.
        stride: image pixels per feature cell, both directions.
        coarse_stride: the same for the pooled second output.
        align: image sides are padded to a multiple of this.
        weights: where the weights came from, their licence and their SHA-256.
    """

    name: str
    taps: tuple[str, ...]
    channels: int
    stride: int
    coarse_stride: int
    align: int
    weights: dict[str, str]


@dataclass(frozen=True)
class Recipe:
    """How the runtime turns features into boxes; each field is one choice that was measured.

    Attributes:
        alpha: factor on the cosine similarity inside both softmaxes (paper, section 3.2).
        competitors: this many patches around the template, those most similar to it, join the
            softmax over the template.
        min_side: templates are enlarged until the root of their area is this many pixels.
        max_side: templates are shrunk until the root of their area is this many pixels.
        max_enlarge: never enlarge by more than this.
        max_pixels: largest image, in pixels at the working resolution.
        refine: move each match to where its patches agree best at the finer stride.
        exclusive: patches agree by how surely a cell is its own patch, among all patches and
            competitors; otherwise by similarity alone.
        candidates: this many of the best windows are placed exactly before the best is chosen.
        size_step: the size of what is found is estimated between this factor smaller and larger;
            0 keeps the template's size, as a mask does.
    """

    alpha: float = 25.0
    competitors: int = 64
    min_side: float = 32.0
    max_side: float = 64.0
    max_enlarge: float = 4.0
    max_pixels: int = 64_000_000
    refine: bool = True
    exclusive: bool = True
    candidates: int = 3
    size_step: float = 1.15


@dataclass(frozen=True)
class ScoreMap:
    """Monotone map from the evidence for a match to a score: logistic regression.

    ``score = 1 / (1 + exp(-(slope * log(evidence) + likeness * l + offset)))`` with the mean
    quality of the window in [0, 1], and the mean over its cells of the similarity ``l`` to the
    patch of the template they resemble most, in [-1, 1]. Quality says how exclusive a match is,
    likeness how good: the best match of an absent object may be exclusive, but it is poor.
    ``threshold`` is the score from which a match counts as found. The defaults were fitted on the
    default backbone, to pairs of frames with and without the object; the offset is a little higher
    than fitted, so that about as many objects are missed as imagined.
    """

    slope: float = 2.2
    likeness: float = 22.9
    offset: float = 1.1
    threshold: float = 0.5

    def __call__(self, evidence: float, likeness: float) -> float:
        """Score in [0, 1]."""
        if evidence <= 0.0 or not math.isfinite(evidence):
            return 0.0
        odds = self.slope * math.log(evidence) + self.likeness * likeness + self.offset
        return 1.0 / (1.0 + math.exp(min(-odds, 700.0)))


@dataclass(frozen=True)
class TensorInfo:
    """Name, dtype and shape of a graph's input or output; a string is a dynamic dimension."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True)
class FileInfo:
    """One file of the bundle: what it is for, its precision, its SHA-256 and its size in bytes."""

    role: str
    precision: str
    sha256: str
    bytes: int
    inputs: tuple[TensorInfo, ...] = ()
    outputs: tuple[TensorInfo, ...] = ()


@dataclass(frozen=True)
class BundleSpec:
    """Everything ``bundle.json`` holds.

    Attributes:
        backbone: what makes the features.
        preprocessing: what happens to a picture before, inside the features graph.
        recipe: how the runtime matches.
        score: from evidence to score.
        opset: of the ONNX files.
        files: by name.
        tools: versions of what made the bundle.
        calibration: of the INT8 files.
        network: the trained network in it: its task, its matching layer, and how it was trained.
        task: ``match``, ``align`` or ``verify``; what its features were chosen, and are checked,
            for.
        schema: version of this record.
    """

    backbone: BackboneInfo
    preprocessing: dict[str, Any]
    recipe: Recipe
    score: ScoreMap
    opset: int
    files: dict[str, FileInfo]
    tools: dict[str, str] = field(default_factory=dict)
    calibration: dict[str, Any] = field(default_factory=dict)
    network: dict[str, Any] = field(default_factory=dict)
    task: str = "match"
    schema: int = SCHEMA_VERSION

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary for ``json.dump``."""
        return asdict(self)

    def with_recipe(self, changes: Mapping[str, float]) -> BundleSpec:
        """The same with other choices in the recipe.

        Args:
            changes: field of :class:`Recipe` -> value.

        Raises:
            InputError: an unknown field, or a value with which nothing could be computed.
        """
        types = {f.name: type(f.default) for f in fields(Recipe)}
        for name in changes:
            if name not in types:
                raise InputError(f"the recipe has no {name!r}; choose from {', '.join(types)}")
        try:
            typed = {name: types[name](value) for name, value in changes.items()}
            spec = replace(self, recipe=replace(self.recipe, **typed))
            _check_ranges(spec)
        except (ValueError, OverflowError) as error:
            raise InputError(f"recipe: {error}") from error
        return spec

    @classmethod
    def from_json(cls, data: Any) -> BundleSpec:
        """Read the dictionary that :meth:`to_json` made.

        Raises:
            BundleError: another schema version, or a field is missing or of the wrong type.
        """
        if not isinstance(data, dict):
            raise BundleError("bundle.json is not an object; export the bundle again")
        schema = data.get("schema")
        if schema != SCHEMA_VERSION:
            raise BundleError(
                f"bundle.json has schema version {schema!r}, this runtime reads "
                f"{SCHEMA_VERSION}; export the bundle again with this version of qatm"
            )
        try:
            spec = cls(
                backbone=_backbone(data["backbone"]),
                preprocessing=dict(data["preprocessing"]),
                recipe=_record(Recipe, data["recipe"]),
                score=_record(ScoreMap, data["score"]),
                opset=int(data["opset"]),
                files={str(name): _file(entry) for name, entry in data["files"].items()},
                tools=dict(data.get("tools", {})),
                calibration=dict(data.get("calibration", {})),
                network=dict(data.get("network", {})),
                task=_task(data),
            )
            _check_ranges(spec)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise BundleError(
                f"bundle.json is damaged ({type(error).__name__}: {error}); export the bundle again"
            ) from error
        return spec


def _task(data: dict[str, Any]) -> str:
    """What a bundle is for; older ones say so only where they hold a network."""
    return str(data.get("task") or dict(data.get("network", {})).get("task") or "match")


def _check_ranges(spec: BundleSpec) -> None:
    """Refuse numbers with which nothing could be computed."""
    for record in (spec.backbone, spec.recipe, spec.score):
        for name, value in vars(record).items():
            is_number = isinstance(value, (int, float))
            if is_number and not math.isfinite(value):
                raise ValueError(f"{name} is {value}")
            if is_number and value <= 0 and name not in MAY_BE_ZERO:
                raise ValueError(f"{name} is {value}; it must be positive")
    if 0 < spec.recipe.size_step <= 1:
        raise ValueError(f"size_step is {spec.recipe.size_step}; it must be above 1, or 0 for none")
    if spec.backbone.align % spec.backbone.coarse_stride:
        raise ValueError(
            f"align {spec.backbone.align} is no multiple of {spec.backbone.coarse_stride}"
        )


def _record(kind: type, data: dict[str, Any]) -> Any:
    """Build a flat dataclass, each value turned into the type of the field's default."""
    known = {f.name: f for f in fields(kind)}
    unknown = set(data) - set(known)
    if unknown:
        raise ValueError(f"unknown field {sorted(unknown)[0]!r}")
    return kind(**{name: type(known[name].default)(value) for name, value in data.items()})


def _backbone(data: dict[str, Any]) -> BackboneInfo:
    """Read the ``backbone`` entry."""
    return BackboneInfo(
        name=str(data["name"]),
        taps=tuple(str(tap) for tap in data["taps"]),
        channels=int(data["channels"]),
        stride=int(data["stride"]),
        coarse_stride=int(data["coarse_stride"]),
        align=int(data["align"]),
        weights={str(k): str(v) for k, v in data["weights"].items()},
    )


def _file(data: dict[str, Any]) -> FileInfo:
    """Read one entry of ``files``."""
    tensors = {
        side: tuple(TensorInfo(t["name"], t["dtype"], tuple(t["shape"])) for t in data[side])
        for side in ("inputs", "outputs")
    }
    return FileInfo(
        role=str(data["role"]),
        precision=str(data["precision"]),
        sha256=str(data["sha256"]),
        bytes=int(data["bytes"]),
        inputs=tensors["inputs"],
        outputs=tensors["outputs"],
    )
