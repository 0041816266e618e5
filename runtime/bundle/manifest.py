"""What ``bundle.json`` says: the contract between export, calibration and runtime."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from ..errors import BundleError, InputError, seen
from ..json_values import count_of, list_of, member, object_of, or_none, shown, text_of
from ..kinds import Bound, Numeric
from ..limits import BUNDLE_FILES
from .fits import FitRecord
from .match_recipe import MatchRecipe
from .recipes import Recipes

SCHEMA_VERSION: Numeric[int] = 2
NETWORK_ROLE = "network"
"""Of the trained network in a bundle that compares two pictures."""

FOLLOW_ROLE = "follow"
"""Of the trained network in a bundle that reads how a followed object's box lies."""

COMPARE_ROLE = "compare"
"""Of the one that compares the pixels of what was found with the template's."""

PURPOSES = ("match", "align", "verify")
"""What the features of a bundle were chosen for."""

NEWEST_OPSET: Bound[int] = 1000
MOST_TENSORS: Bound[int] = 256
MOST_SIDES: Bound[int] = 16
LONGEST_NAME: Bound[int] = 255

MOST_CHANNELS: Bound[int] = 1 << 13
"""Of all layers together, 304 in ours: what the runtime makes of a map is in no arena."""

LARGEST_STEP: Bound[int] = 512
"""Pixels of a cell, and of what sides are padded to: more would make every picture large."""

SHA256 = re.compile("[0-9a-f]{64}")

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
        network: the trained network in it that compares two pictures: its task, its matching layer,
            and how it was trained.
        follow: the trained network in it that reads how a followed object's box lies: how many
            readings it takes, and how it was trained.
        compare: the trained network in it that compares registered pixels: how wide it is, and how
            it was trained.
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
    follow: dict[str, Any] = field(default_factory=dict)
    compare: dict[str, Any] = field(default_factory=dict)
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
                f"bundle.json has schema version {seen(schema)}, this runtime reads "
                f"{READABLE[0]} to {READABLE[-1]}; export the bundle again with this version of "
                "qatm"
            )
        try:
            spec = cls(
                backbone=_backbone(object_of(member(data, "backbone"), "backbone")),
                preprocessing=object_of(member(data, "preprocessing"), "preprocessing"),
                recipes=_first_recipes(data)
                if schema == 1
                else Recipes.from_dict(object_of(member(data, "recipes"), "recipes")),
                opset=count_of(member(data, "opset"), "opset", 1, NEWEST_OPSET),
                files=_files(object_of(member(data, "files"), "files")),
                fits=() if schema == 1 else _fits(member(data, "fits")),
                tools=_texts(data.get("tools", {}), "tools"),
                calibration=object_of(data.get("calibration", {}), "calibration"),
                network=object_of(data.get("network", {}), "network"),
                follow=object_of(data.get("follow", {}), "follow"),
                compare=object_of(data.get("compare", {}), "compare"),
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
    plain = parts == (name, name) and name not in ("", ".", "..") and ":" not in name
    # Systems count bytes, and letters other than ours have several.
    return plain and name.isprintable() and len(name.encode()) <= LONGEST_NAME


def _of_type(kind: type, value: float) -> float:
    """A number as a field's type has it, where it stands for such a value."""
    if kind is bool and value in (0, 1):
        return bool(value)
    return int(value) if kind is int and float(value).is_integer() else value


def _task(data: dict[str, Any]) -> str:
    """What a bundle is for; older ones say so only where they hold a network."""
    network = object_of(data.get("network", {}), "network")
    task = text_of(data.get("task") or network.get("task") or "match", "task")
    if task not in PURPOSES:
        raise ValueError(f"task is {seen(task)}; it must be one of {', '.join(PURPOSES)}")
    return task


def _first_recipes(data: dict[str, Any]) -> Recipes:
    """The recipes of schema 1, which had the matcher's in two entries; the others are as usual."""
    both = [object_of(member(data, name), name) for name in ("recipe", "score")]
    return Recipes(match=MatchRecipe.from_dict(both[0] | both[1]))


def _backbone(data: dict[str, Any]) -> BackboneInfo:
    """Read the ``backbone`` entry; schema 1 had the names of the taps only."""
    layers = tuple(_tap(tap) for tap in list_of(member(data, "taps"), "taps", MOST_TENSORS))
    numbers = {
        name: count_of(member(data, name), name, 1, most)
        for name, most in (
            ("channels", MOST_CHANNELS),
            ("stride", LARGEST_STEP),
            ("coarse_stride", LARGEST_STEP),
            ("align", LARGEST_STEP),
        )
    }
    stride = numbers["stride"]
    if numbers["coarse_stride"] != 2 * stride:
        raise ValueError(
            f"coarse_stride is {numbers['coarse_stride']}; it must be twice the stride of {stride}"
        )
    if numbers["align"] % numbers["coarse_stride"]:
        raise ValueError(f"align {numbers['align']} is no multiple of {numbers['coarse_stride']}")
    known = all(tap.channels for tap in layers)
    if known and sum(tap.channels for tap in layers) != numbers["channels"]:
        raise ValueError(f"channels is {numbers['channels']}; its taps have another sum")
    if any(tap.stride % stride and stride % tap.stride for tap in layers if tap.stride):
        raise ValueError(f"stride is {stride}, which does not fit the taps'")
    weights = _texts(member(data, "weights"), "weights")
    return BackboneInfo(
        name=text_of(member(data, "name"), "name"), layers=layers, weights=weights, **numbers
    )


def _tap(data: Any) -> TapInfo:
    """Read one layer; in schema 1 it was its name."""
    if isinstance(data, str):
        return TapInfo(data)
    tap = object_of(data, "a tap")
    return TapInfo(
        text_of(member(tap, "layer"), "layer"),
        count_of(member(tap, "stride"), "stride", 0, LARGEST_STEP),
        count_of(member(tap, "channels"), "channels", 0, MOST_CHANNELS),
    )


def _fits(data: Any) -> tuple[FitRecord, ...]:
    """Read the ``fits`` entry."""
    records = list_of(data, "fits", MOST_TENSORS)
    return tuple(FitRecord.from_dict(object_of(record, "a fit")) for record in records)


def _texts(data: Any, name: str) -> dict[str, str]:
    """Read names with texts."""
    return {key: text_of(value, key) for key, value in object_of(data, name).items()}


def _files(data: dict[str, Any]) -> dict[str, FileInfo]:
    """Read the ``files`` entry."""
    if len(data) > BUNDLE_FILES:
        raise ValueError(f"{len(data)} files are listed; at most {BUNDLE_FILES} are accepted")
    return {name: _file(object_of(entry, name)) for name, entry in data.items()}


def _file(data: dict[str, Any]) -> FileInfo:
    """Read one entry of ``files``."""
    tensors = {
        side: tuple(_tensor(t) for t in list_of(member(data, side), side, MOST_TENSORS))
        for side in ("inputs", "outputs")
    }
    digest = text_of(member(data, "sha256"), "sha256")
    if not SHA256.fullmatch(digest):
        raise ValueError(f"sha256 is {shown(digest)}; it must be 64 hexadecimal digits")
    return FileInfo(
        role=text_of(member(data, "role"), "role"),
        precision=text_of(member(data, "precision"), "precision"),
        sha256=digest,
        bytes=count_of(member(data, "bytes"), "bytes"),
        inputs=tensors["inputs"],
        outputs=tensors["outputs"],
    )


def _tensor(value: Any) -> TensorInfo:
    """Read one input or output; schema 1 had no ranges."""
    data = object_of(value, "an input or output")
    shape = tuple(
        side if isinstance(side, str) else count_of(side, "a side", 0)
        for side in list_of(member(data, "shape"), "shape", MOST_SIDES)
    )
    ranges = {
        name: _range(entry, name)
        for name, entry in object_of(data.get("ranges", {}), "ranges").items()
    }
    name, dtype = (text_of(member(data, key), key) for key in ("name", "dtype"))
    return TensorInfo(name, dtype, shape, ranges)


def _range(value: Any, name: str) -> tuple[int, int | None]:
    """Read the smallest and largest size of a dimension."""
    sizes = list_of(value, name, 2)
    if len(sizes) != 2:  # noqa: PLR2004
        raise ValueError(f"the range of {name} is no pair")
    return count_of(sizes[0], name), or_none(sizes[1], lambda size: count_of(size, name))


def _file_to_json(info: FileInfo) -> dict[str, Any]:
    """An entry of ``files``; ranges only where there are some."""
    data = asdict(info)
    for tensor in (*data["inputs"], *data["outputs"]):
        if not tensor["ranges"]:
            del tensor["ranges"]
    return data
