"""What ``bundle.json`` says: the contract between export, calibration and runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from ..errors import BundleError, InputError
from ..kinds import Numeric
from .fits import FitRecord
from .match_recipe import MatchRecipe
from .recipes import Recipes

SCHEMA_VERSION: Numeric[int] = 2
NETWORK_ROLE = "network"
"""Of the trained network in a bundle."""

READABLE: Numeric[tuple[int, int]] = (1, 2)
"""Schema 1 knew the matcher's recipe only, and no fits."""


@dataclass(frozen=True)
class TapInfo:
    """A layer whose output is used: its stride in pixels and its channels, 0 where not recorded."""

    layer: str
    stride: int = 0
    channels: int = 0


@dataclass(frozen=True)
class BackboneInfo:
    """The network that makes the features.

    Attributes:
        name: for example ``efficientnet-lite0``.
        layers: the taps, whose outputs are concatenated.
        channels: length of a feature vector.
        stride: image pixels per feature cell, both directions.
        coarse_stride: the same for the pooled second output.
        align: image sides are padded to a multiple of this.
        weights: where the weights came from, their licence and their SHA-256.
    """

    name: str
    layers: tuple[TapInfo, ...]
    channels: int
    stride: int
    coarse_stride: int
    align: int
    weights: dict[str, str]

    @property
    def taps(self) -> tuple[str, ...]:
        """Names of the layers."""
        return tuple(tap.layer for tap in self.layers)

    @property
    def label(self) -> str:
        """Network and taps, as ``name:tap+tap``."""
        return f"{self.name}:{'+'.join(self.taps)}"


@dataclass(frozen=True)
class TensorInfo:
    """A graph's input or output.

    Attributes:
        name: as in the ONNX file.
        dtype: numpy's name of it.
        shape: a string is a dynamic dimension.
        ranges: dynamic dimension -> smallest and largest size; ``None`` is no limit.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    ranges: dict[str, tuple[int, int | None]] = field(default_factory=dict)


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
        recipes: how the runtime matches, tracks, aligns and verifies.
        opset: of the ONNX files.
        files: by name, which is a plain one: the file lies in the bundle's folder.
        fits: where the fitted numbers of the recipes come from.
        tools: versions of what made the bundle.
        calibration: of the INT8 files.
        network: the trained network in it: its task, its matching layer, and how it was trained.
        task: ``match``, ``align`` or ``verify``; what its features were chosen, and are checked,
            for.
        schema: version of the record that was read; what is written has the present one.
    """

    backbone: BackboneInfo
    preprocessing: dict[str, Any]
    recipes: Recipes
    opset: int
    files: dict[str, FileInfo]
    fits: tuple[FitRecord, ...] = ()
    tools: dict[str, str] = field(default_factory=dict)
    calibration: dict[str, Any] = field(default_factory=dict)
    network: dict[str, Any] = field(default_factory=dict)
    task: str = "match"
    schema: int = field(default=SCHEMA_VERSION, compare=False)

    def __post_init__(self) -> None:
        """Refuse names that lead out of the bundle's folder.

        Raises:
            ValueError: one of the files is not named by a plain name.
        """
        for name in self.files:
            if not is_plain_name(name):
                raise ValueError(f"file {name!r} is not a plain name inside the bundle's folder")

    def calibrated(self, task: str) -> bool:
        """Whether the fitted numbers of a task were fitted for this backbone, temperature and all.

        Args:
            task: ``match``, ``track``, ``align`` or ``verify``.
        """
        recipe, alpha = self.recipes.of(task), self.recipes.match.alpha
        return any(
            fit.task == task and fit.covers(recipe, self.backbone.label, alpha) for fit in self.fits
        )

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary for ``json.dump``."""
        data = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        backbone = asdict(self.backbone)
        backbone["taps"] = backbone.pop("layers")
        return data | {
            "backbone": backbone,
            "recipes": self.recipes.as_dict(),
            "fits": [fit.as_dict() for fit in self.fits],
            "files": {name: _file_to_json(info) for name, info in self.files.items()},
            "schema": SCHEMA_VERSION,
        }

    def with_recipe(self, changes: Mapping[str, float]) -> BundleSpec:
        """The same with other choices in the matcher's recipe.

        Args:
            changes: field of :class:`MatchRecipe` -> value; 0 and 1 stand for a switch.

        Raises:
            InputError: an unknown field, or a value with which nothing could be computed.
        """
        types = {entry.name: type(entry.default) for entry in fields(MatchRecipe)}
        for name in changes:
            if name not in types:
                raise InputError(f"the recipe has no {name!r}; choose from {', '.join(types)}")
        typed = {name: _of_type(types[name], value) for name, value in changes.items()}
        recipe = replace(self.recipes.match, **typed)
        return replace(self, recipes=replace(self.recipes, match=recipe))

    @classmethod
    def from_json(cls, data: Any) -> BundleSpec:
        """Read the dictionary that :meth:`to_json` made, of this schema or an earlier one.

        Raises:
            BundleError: another schema version, or a field is missing or of the wrong type.
        """
        if not isinstance(data, dict):
            raise BundleError("bundle.json is not an object; export the bundle again")
        schema = data.get("schema")
        if schema not in READABLE or isinstance(schema, bool):
            raise BundleError(
                f"bundle.json has schema version {schema!r}, this runtime reads "
                f"{READABLE[0]} to {READABLE[-1]}; export the bundle again with this version of "
                "qatm"
            )
        try:
            spec = cls(
                backbone=_backbone(data["backbone"]),
                preprocessing=dict(data["preprocessing"]),
                recipes=_first_recipes(data) if schema == 1 else Recipes.from_dict(data["recipes"]),
                opset=int(data["opset"]),
                files={str(name): _file(entry) for name, entry in data["files"].items()},
                fits=() if schema == 1 else tuple(FitRecord.from_dict(f) for f in data["fits"]),
                tools=dict(data.get("tools", {})),
                calibration=dict(data.get("calibration", {})),
                network=dict(data.get("network", {})),
                task=_task(data),
                schema=schema,
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise BundleError(
                f"bundle.json is damaged ({type(error).__name__}: {error}); export the bundle again"
            ) from error
        return spec


def is_plain_name(name: str) -> bool:
    """Whether a name is that of a file in a folder, on every system: no path, no drive, no dots."""
    parts = (PurePosixPath(name).name, PureWindowsPath(name).name)
    return parts == (name, name) and name not in ("", ".", "..") and ":" not in name


def _of_type(kind: type, value: float) -> float:
    """A number as a field's type has it, where it stands for such a value."""
    if kind is bool and value in (0, 1):
        return bool(value)
    return int(value) if kind is int and float(value).is_integer() else value


def _task(data: dict[str, Any]) -> str:
    """What a bundle is for; older ones say so only where they hold a network."""
    return str(data.get("task") or dict(data.get("network", {})).get("task") or "match")


def _first_recipes(data: dict[str, Any]) -> Recipes:
    """The recipes of schema 1, which had the matcher's in two entries; the others are as usual."""
    return Recipes(match=MatchRecipe.from_dict({**data["recipe"], **data["score"]}))


def _backbone(data: dict[str, Any]) -> BackboneInfo:
    """Read the ``backbone`` entry; schema 1 had the names of the taps only."""
    layers = tuple(
        TapInfo(str(tap["layer"]), int(tap["stride"]), int(tap["channels"]))
        if isinstance(tap, dict)
        else TapInfo(str(tap))
        for tap in data["taps"]
    )
    numbers = {n: int(data[n]) for n in ("channels", "stride", "coarse_stride", "align")}
    for name, value in numbers.items():
        if value <= 0:
            raise ValueError(f"{name} is {value}; it must be positive")
    if numbers["align"] % numbers["coarse_stride"]:
        raise ValueError(f"align {numbers['align']} is no multiple of {numbers['coarse_stride']}")
    weights = {str(k): str(v) for k, v in data["weights"].items()}
    return BackboneInfo(name=str(data["name"]), layers=layers, weights=weights, **numbers)


def _file(data: dict[str, Any]) -> FileInfo:
    """Read one entry of ``files``."""
    tensors = {side: tuple(_tensor(t) for t in data[side]) for side in ("inputs", "outputs")}
    return FileInfo(
        role=str(data["role"]),
        precision=str(data["precision"]),
        sha256=str(data["sha256"]),
        bytes=int(data["bytes"]),
        inputs=tensors["inputs"],
        outputs=tensors["outputs"],
    )


def _tensor(data: dict[str, Any]) -> TensorInfo:
    """Read one input or output; schema 1 had no ranges."""
    ranges = {
        str(name): (int(low), None if high is None else int(high))
        for name, (low, high) in data.get("ranges", {}).items()
    }
    return TensorInfo(str(data["name"]), str(data["dtype"]), tuple(data["shape"]), ranges)


def _file_to_json(info: FileInfo) -> dict[str, Any]:
    """An entry of ``files``; ranges only where there are some."""
    data = asdict(info)
    for tensor in (*data["inputs"], *data["outputs"]):
        if not tensor["ranges"]:
            del tensor["ranges"]
    return data
