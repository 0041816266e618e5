"""What the sidecar of a compiled engine says, and whether the engine fits bundle and machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import BundleError, DeviceError, QatmError
from ..files import as_path
from ..json_values import count_of, list_of, member, number_of, object_of, read_json, text_of
from ..kinds import Bound, Numeric
from .folder import Bundle, sha256_of
from .manifest import is_plain_name

SIDECAR_SCHEMA: Numeric[int] = 1
ENGINE_SUFFIX = ".engine"
SIDECAR_SUFFIX = ".engine.json"

FLAVOURS = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx"}
"""Each flavour of TensorRT and the Python module that carries it, in order of preference."""


TEXTS = (
    *("file", "flavour", "version", "role", "precision"),
    *("source", "source_sha256", "sha256", "key"),
)
"""Fields that are texts."""

MOST_ENTRIES: Bound[int] = 256
LARGEST_SIDE: Bound[int] = 1 << 31

RTX_TARGETS: Bound[tuple[int, ...]] = (75, 80, 86, 89, 120, 121)
"""Compute capabilities that TensorRT-RTX compiles for; a Jetson Orin (87) is not among them."""


@dataclass(frozen=True)
class ShapeRange:
    """Smallest, most usual and largest shape of one input in one optimisation profile."""

    minimum: tuple[int, ...]
    optimum: tuple[int, ...]
    maximum: tuple[int, ...]

    def admits(self, shape: Sequence[int]) -> bool:
        """Whether a shape lies in the range, in every dimension."""
        return len(shape) == len(self.minimum) and all(
            low <= side <= high
            for low, side, high in zip(self.minimum, shape, self.maximum, strict=True)
        )

    def __str__(self) -> str:
        return ":".join("x".join(map(str, s)) for s in (self.minimum, self.optimum, self.maximum))


Profile = Mapping[str, ShapeRange]
"""One optimisation profile: a range for each input."""


@dataclass(frozen=True)
class EngineInfo:
    """The sidecar of one engine file.

    Attributes:
        file: name of the engine file, beside the sidecar.
        flavour: ``tensorrt`` or ``tensorrt-rtx``.
        version: of the library that built it; only the same version can load it.
        sm: compute capabilities it runs on, for example ``(75, 86)``.
        role: ``features`` or ``match``.
        precision: ``fp32``, ``fp16`` or ``int8``, as found in the typed network that was compiled.
        layers: what was found: layer kind to input dtype to count.
        profiles: shape ranges of the inputs; index as in the engine.
        source: name of the ONNX file it was built from.
        source_sha256: SHA-256 of that file.
        sha256: SHA-256 of the engine file.
        bytes: size of the engine file.
        build_seconds: how long parsing and building took.
        options: TF32, workspace and optimisation level it was built with.
        key: identifies the inputs of the build; equal key, equal engine.
        folder: where the sidecar lies; not part of it.
    """

    file: str
    flavour: str
    version: str
    sm: tuple[int, ...]
    role: str
    precision: str
    layers: dict[str, dict[str, int]]
    profiles: tuple[dict[str, ShapeRange], ...]
    source: str
    source_sha256: str
    sha256: str
    bytes: int
    build_seconds: float
    options: dict[str, Any]
    key: str
    folder: Path = field(default=Path(), compare=False)

    @property
    def path(self) -> Path:
        """The engine file."""
        return self.folder / self.file

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary for ``json.dump``."""
        data = asdict(self)
        del data["folder"]
        return {"schema": SIDECAR_SCHEMA, **data}

    @classmethod
    def load(cls, sidecar: str | Path) -> EngineInfo:
        """Read a sidecar; the engine file itself is not touched.

        Raises:
            BundleError: missing, damaged, or of another schema version.
        """
        path = as_path(sidecar, "sidecar")
        try:
            data = read_json(path)
        except (OSError, ValueError) as error:
            raise BundleError(f"{path} cannot be read ({error}); build the engine again") from error
        schema = data.get("schema") if isinstance(data, dict) else None
        if schema != SIDECAR_SCHEMA:
            raise BundleError(
                f"{path} has schema version {schema!r}, this runtime reads {SIDECAR_SCHEMA}; "
                "build the engine again with this version of qatm"
            )
        try:
            return _parse(data, path)
        except ValueError as error:
            raise BundleError(
                f"{path} is damaged ({type(error).__name__}: {error}); build the engine again"
            ) from error

    def check_bundle(self, bundle: Bundle) -> None:
        """Refuse an engine that is damaged, or that was not built from this bundle's ONNX file.

        Raises:
            BundleError: with what to rebuild.
        """
        source = bundle.spec.files.get(self.source)
        if source is None:
            raise BundleError(
                f"engine {self.path} was built from {self.source}, which bundle {bundle.path} "
                f"does not hold; {self._rebuild()}"
            )
        if source.sha256 != self.source_sha256:
            raise BundleError(
                f"engine {self.path} was built from another {self.source} "
                f"({self.source_sha256[:12]}…, the bundle's is {source.sha256[:12]}…); "
                f"{self._rebuild()}"
            )
        self.check_file()

    def check_file(self) -> None:
        """Refuse an engine file that is not the one the sidecar describes.

        Raises:
            BundleError: missing, cut short or changed.
        """
        if not self.path.is_file():
            raise BundleError(f"engine {self.path} is missing; copy it or {self._rebuild()}")
        size = self.path.stat().st_size
        if size != self.bytes:
            raise BundleError(
                f"engine {self.path} has {size} bytes instead of {self.bytes}; "
                f"copy it again or {self._rebuild()}"
            )
        if sha256_of(self.path) != self.sha256:
            raise BundleError(
                f"engine {self.path} does not have the SHA-256 of its sidecar; it was changed or "
                f"damaged: copy it again or {self._rebuild()}"
            )

    def check_machine(self, flavour: str, version: str, sm: int) -> None:
        """Refuse an engine that this machine's library or GPU cannot run.

        Args:
            flavour: the library that is installed, ``tensorrt`` or ``tensorrt-rtx``.
            version: its version.
            sm: the GPU's compute capability, ``10 * major + minor``.

        Raises:
            DeviceError: with what to rebuild.
        """
        if flavour != self.flavour:
            raise DeviceError(
                f"engine {self.path} is for {self.flavour}, not {flavour}; "
                f"{rebuild_hint(flavour, (sm,))}"
            )
        if version != self.version:
            raise DeviceError(
                f"engine {self.path} was built with {self.flavour} {self.version}, this machine "
                f"has {version}, and engines do not move between versions; {self._rebuild()}"
            )
        if sm not in self.sm:
            targets = ", ".join(f"SM {target}" for target in self.sm)
            raise DeviceError(
                f"engine {self.path} is for {targets}, this GPU is SM {sm}; "
                f"{rebuild_hint(flavour, (*self.sm, sm))}"
            )

    def _rebuild(self) -> str:
        return rebuild_hint(self.flavour, self.sm)


def rebuild_hint(flavour: str, sm: Sequence[int]) -> str:
    """How to get an engine for a flavour and its targets."""
    lacking = sorted(set(sm) - set(RTX_TARGETS))
    if flavour == "tensorrt" or lacking:
        missing = ", ".join(f"SM {target}" for target in lacking)
        why = "" if flavour == "tensorrt" else f"{flavour} has no {missing}, use TensorRT: "
        command = "qatm-export --engines-only --engine tensorrt BUNDLE"
        return f"{why}build it again on this machine: {command}"
    targets = ",".join(str(target) for target in sorted(set(sm)))
    return (
        "build it again with this version: "
        f"qatm-export --engines-only --engine {flavour} --sm {targets} BUNDLE"
    )


def sidecar_of(engine: Path) -> Path:
    """The sidecar of an engine file."""
    return engine.with_name(engine.name.removesuffix(ENGINE_SUFFIX) + SIDECAR_SUFFIX)


def sidecars(folder: Path) -> list[Path]:
    """All sidecars in a bundle folder, by name."""
    return sorted(folder.glob(f"*{SIDECAR_SUFFIX}"))


def engines_for(bundle: Bundle, flavour: str) -> Iterator[EngineInfo | BundleError]:
    """What the sidecars of a flavour say, or why one cannot be read.

    A damaged one does not say whose it is; its name does, if it is as the export names it. One of
    another flavour is no reason not to use this flavour's engines.
    """
    others = set(FLAVOURS) - {flavour}
    for path in sidecars(bundle.path):
        try:
            info = EngineInfo.load(path)
        except BundleError as error:
            if others.isdisjoint(path.name.split(".")):
                yield error
            continue
        if info.flavour == flavour:
            yield info


def engine_problems(bundle: Bundle) -> list[str]:
    """What is wrong with the engines of a bundle, whether or not this machine can run them.

    Damaged files and sidecars, and engines that were built from another ONNX file; one line each.
    """
    problems: list[str] = []
    for path in sidecars(bundle.path):
        try:
            EngineInfo.load(path).check_bundle(bundle)
        except BundleError as error:
            problems.append(str(error))
    return problems


def select_engine(
    bundle: Bundle, role: str, precision: str, flavour: str, version: str, sm: int
) -> EngineInfo:
    """The bundle's engine for a graph that this machine can run, fully checked.

    Args:
        bundle: where to look.
        role: ``features`` or ``match``.
        precision: ``fp32``, ``fp16`` or ``int8``.
        flavour: ``tensorrt`` or ``tensorrt-rtx``.
        version: of the installed library.
        sm: the GPU's compute capability, ``10 * major + minor``.

    Raises:
        DeviceError: there is none; the text says what is wrong with each candidate.
    """
    reasons: list[str] = []
    for info in engines_for(bundle, flavour):
        if isinstance(info, BundleError):
            reasons.append(str(info))
        elif (info.role, info.precision) == (role, precision):
            try:
                info.check_machine(flavour, version, sm)
                info.check_bundle(bundle)
            except QatmError as error:
                reasons.append(str(error))
                continue
            return info
    if reasons:
        raise DeviceError("; ".join(reasons))
    raise DeviceError(
        f"bundle {bundle.path} has no {precision} {role} engine for {flavour}; "
        f"{rebuild_hint(flavour, (sm,))}"
    )


def _parse(data: dict[str, Any], path: Path) -> EngineInfo:
    """Build the record from the sidecar's dictionary."""
    texts = {name: text_of(member(data, name), name) for name in TEXTS}
    name = texts["file"]
    if not is_plain_name(name):
        raise ValueError(f"engine file {name!r} is not a plain file name")
    if texts["flavour"] not in FLAVOURS:
        raise ValueError(f"unknown flavour {texts['flavour']!r}")
    layers = object_of(member(data, "layers"), "layers")
    return EngineInfo(
        **texts,
        sm=tuple(count_of(sm, "sm", 1) for sm in list_of(member(data, "sm"), "sm", MOST_ENTRIES)),
        layers={
            kind: {
                dtype: count_of(count, dtype) for dtype, count in object_of(counts, kind).items()
            }
            for kind, counts in layers.items()
        },
        profiles=tuple(
            {key: _shape_range(entry) for key, entry in object_of(profile, "a profile").items()}
            for profile in list_of(member(data, "profiles"), "profiles", MOST_ENTRIES)
        ),
        bytes=count_of(member(data, "bytes"), "bytes"),
        build_seconds=number_of(member(data, "build_seconds"), "build_seconds", 0),
        options=object_of(member(data, "options"), "options"),
        folder=path.parent,
    )


def _shape_range(value: Any) -> ShapeRange:
    """Read one range of a profile."""
    data = object_of(value, "a range")
    minimum, optimum, maximum = (
        tuple(
            count_of(side, "a side", 0, LARGEST_SIDE)
            for side in list_of(member(data, name), name, MOST_ENTRIES)
        )
        for name in ("minimum", "optimum", "maximum")
    )
    rising = len(minimum) == len(optimum) == len(maximum) and all(
        low <= usual <= high for low, usual, high in zip(minimum, optimum, maximum, strict=True)
    )
    if not rising:
        raise ValueError("the sides of a range do not rise from minimum to maximum")
    return ShapeRange(minimum, optimum, maximum)
