"""Compiled engines of a bundle: built for each target, described by a sidecar, built only once."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...runtime.bundle.folder import Bundle, sha256_of
from ...runtime.bundle.manifest import COMPARE_ROLE, FOLLOW_ROLE, NETWORK_ROLE, BundleSpec
from ...runtime.bundle.publishing import publish
from ...runtime.bundle.sidecar import ENGINE_SUFFIX, EngineInfo, sidecar_of
from ...runtime.errors import BundleError, ExportError
from ...runtime.files import write_bytes, write_text
from ..staging import staging_folder
from .build import BuiltEngine, EngineBuilder
from .engine_options import (
    EngineOptions,
    GraphProfile,
    feature_profiles,
    match_profiles,
    network_profiles,
    parse_rows,
    parse_shapes,
    parse_sm,
)
from .flavours import HOW_TO_GET_ENGINES, NEEDS_OWN_ENGINE, Flavour, find_flavour
from .typed_network import without_float_products

__all__ = [
    "HOW_TO_GET_ENGINES",
    "EngineOptions",
    "EngineReport",
    "build_engines",
    "check_engines",
    "engine_precisions",
    "parse_rows",
    "parse_shapes",
    "parse_sm",
]

LOG = logging.getLogger(__name__)

RECIPE = 2
"""Part of every cache key: raised when engines are built in another way from the same inputs."""

SOURCES = {"fp32": "fp32", "fp16": "fp16", "int8": "int8-trt"}
"""Precision of an engine and of the ONNX file that it is built from."""

NETWORKS = (NETWORK_ROLE, FOLLOW_ROLE, COMPARE_ROLE)
"""Roles of trained networks, each of which is built in FP32 only, as it is written."""

Progress = Callable[[str, int, int], None]
"""Called with an engine's file name, how many are done and how many there are."""


@dataclass(frozen=True)
class EngineReport:
    """One engine of a bundle.

    Attributes:
        info: what its sidecar says.
        cached: it was there already, built from the same inputs.
    """

    info: EngineInfo
    cached: bool

    @property
    def path(self) -> Path:
        """The engine file."""
        return self.info.path


@dataclass(frozen=True)
class Plan:
    """With what, for which GPUs and for which sizes engines are built.

    Attributes:
        flavour: the installed library.
        groups: compute capabilities, one group per engine.
        profiles: by role.
    """

    flavour: Flavour
    groups: list[tuple[int, ...]]
    profiles: dict[str, list[GraphProfile]]


@dataclass(frozen=True)
class _Job:
    """One engine to build."""

    role: str
    precision: str
    source: Path
    sm: tuple[int, ...]
    profiles: list[GraphProfile]


def build_engines(
    bundle: Bundle,
    options: EngineOptions,
    precisions: Sequence[str] = ("fp32",),
    progress: Progress | None = None,
) -> list[EngineReport]:
    """Build the engines of a bundle, beside its ONNX files.

    Args:
        bundle: a bundle that holds the ONNX files of the precisions.
        options: what to build.
        precisions: ``fp32``, ``fp16``, ``int8``, of the features graph. The matching graph is
            built in FP32, and in those of the precisions that the bundle has of it.
        progress: told before each engine and at the end.

    Returns:
        One report per engine; empty for ``none``, and for ``auto`` where no flavour works here
        (:data:`HOW_TO_GET_ENGINES` is what to tell the user then).

    Raises:
        ExportError: a flavour, target, profile or graph that cannot be built, or a full disk.
        BundleError: the bundle lacks a precision.
    """
    roles = _jobs_by_role(bundle, precisions)
    plan = check_engines(bundle.spec, options)
    if plan is None:
        return []
    jobs = [
        _Job(role, precision, source, sm, plan.profiles[role])
        for role, precision, source in roles
        for sm in plan.groups
    ]
    return list(_run(bundle, plan.flavour, options, jobs, progress))


def check_engines(spec: BundleSpec, options: EngineOptions) -> Plan | None:
    """Refuse what cannot be built, before anything slow is done.

    Args:
        spec: of the bundle; its files do not matter.
        options: what to build.

    Returns:
        What will be built; ``None`` for ``none``, and for ``auto`` where no flavour works here.

    Raises:
        ExportError: a flavour, target or profile that cannot be built.
    """
    options.check()
    profiles = {
        "features": feature_profiles(spec, options),
        "match": match_profiles(spec, options),
        **{role: network_profiles(spec, role) for role in NETWORKS},
    }
    if options.engine == "none":
        return None
    flavour = find_flavour(options.engine)
    if flavour is None:
        LOG.info(HOW_TO_GET_ENGINES)
        return None
    if options.timing_cache is not None and flavour.cross_targets:
        raise ExportError(
            f"{flavour.name} measures no kernels and has no timing cache; "
            "leave the timing cache out"
        )
    return Plan(flavour, flavour.target_groups(options.sm), profiles)


def engine_precisions(bundle: Bundle) -> list[str]:
    """The precisions in which a bundle's features can be compiled."""
    return [name for name, source in SOURCES.items() if source in bundle.precisions()]


def _jobs_by_role(bundle: Bundle, precisions: Sequence[str]) -> list[tuple[str, str, Path]]:
    """Role, precision and ONNX file of each graph to build."""
    wanted = [name.removesuffix("-trt") for name in dict.fromkeys(precisions)]
    unknown = sorted(set(wanted) - set(SOURCES))
    if unknown:
        raise ExportError(f"no engine has precision {unknown[0]!r}; choose {', '.join(SOURCES)}")
    found = [("features", name, bundle.file("features", SOURCES[name])) for name in wanted]
    available = bundle.precisions("match")
    match = [n for n in SOURCES if n == "fp32" or (n in wanted and SOURCES[n] in available)]
    found += [("match", name, bundle.file("match", SOURCES[name])) for name in match]
    networks = [(role, name) for role in NETWORKS for name in bundle.precisions(role)]
    return [*found, *((role, name, bundle.file(role, name)) for role, name in networks)]


def _run(
    bundle: Bundle,
    flavour: Flavour,
    options: EngineOptions,
    jobs: Sequence[_Job],
    progress: Progress | None,
) -> Iterator[EngineReport]:
    """Take each engine from the cache or build it."""
    builder: EngineBuilder | None = None
    for done, job in enumerate(jobs):
        name = _file_name(job, flavour)
        if progress is not None:
            progress(name, done, len(jobs))
        engine = bundle.path / name
        key = _cache_key(bundle, flavour, options, job)
        known = _cached(bundle, sidecar_of(engine), key)
        if known is not None:
            yield EngineReport(known, cached=True)
            continue
        builder = builder or EngineBuilder(flavour, options)
        started = time.perf_counter()
        built = _build(builder, flavour, job)
        seconds = time.perf_counter() - started
        info = _describe(bundle, flavour, options, job, built, seconds, key)
        publish_engine(engine, built, info)
        LOG.info("built %s in %.1f s", name, seconds)
        yield EngineReport(EngineInfo.load(sidecar_of(engine)), cached=False)
    if progress is not None:
        progress("", len(jobs), len(jobs))


def _file_name(job: _Job, flavour: Flavour) -> str:
    """For example ``features.fp16.tensorrt-rtx.sm86-89.engine``."""
    targets = "-".join(map(str, job.sm))
    return f"{job.role}.{job.precision}.{flavour.name}.sm{targets}{ENGINE_SUFFIX}"


def _settings(options: EngineOptions) -> dict[str, Any]:
    """The options that change an engine."""
    return {
        "tf32": False,
        "workspace_mb": options.workspace_mb,
        "optimisation_level": options.optimisation_level,
    }


def _cache_key(bundle: Bundle, flavour: Flavour, options: EngineOptions, job: _Job) -> str:
    """SHA-256 of everything that decides an engine."""
    inputs = {
        "recipe": RECIPE,
        "source": bundle.spec.files[job.source.name].sha256,
        "role": job.role,
        "precision": job.precision,
        "flavour": flavour.name,
        "version": flavour.version,
        "sm": job.sm,
        "profiles": [asdict(profile) for profile in job.profiles],
        "settings": _settings(options),
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def _cached(bundle: Bundle, sidecar: Path, key: str) -> EngineInfo | None:
    """The engine that was built from the same inputs, if it is there and sound."""
    if not sidecar.is_file():
        return None
    try:
        info = EngineInfo.load(sidecar)
        if info.key == key:
            info.check_bundle(bundle)
            return info
    except BundleError as error:
        LOG.info("building again: %s", error)
    return None


def _build(builder: EngineBuilder, flavour: Flavour, job: _Job) -> BuiltEngine:
    """Build one engine and hold it against its name."""
    model = job.source.read_bytes()
    if flavour.cross_targets and set(job.sm) <= set(NEEDS_OWN_ENGINE):
        model = without_float_products(model)
    built = builder.build(job.source.name, model, job.profiles, job.sm)
    if built.precision != job.precision:
        raise ExportError(
            f"{job.source.name} is declared {job.precision}, but the network that TensorRT made of "
            f"it is {built.precision} ({_counts(built.layers)}); export that file again"
        )
    return built


def _counts(layers: dict[str, dict[str, int]]) -> str:
    """Layer counts in words."""
    parts = (
        f"{count} {dtype} {kind}"
        for kind, found in layers.items()
        for dtype, count in found.items()
    )
    return ", ".join(parts) or "no convolutions or matrix products"


def _describe(
    bundle: Bundle,
    flavour: Flavour,
    options: EngineOptions,
    job: _Job,
    built: BuiltEngine,
    seconds: float,
    key: str,
) -> EngineInfo:
    """The sidecar of a built engine."""
    return EngineInfo(
        file=_file_name(job, flavour),
        flavour=flavour.name,
        version=flavour.version,
        sm=job.sm,
        role=job.role,
        precision=built.precision,
        layers=built.layers,
        profiles=tuple(profile.shapes for profile in job.profiles),
        source=job.source.name,
        source_sha256=bundle.spec.files[job.source.name].sha256,
        sha256=hashlib.sha256(built.plan).hexdigest(),
        bytes=built.plan.nbytes,
        build_seconds=round(seconds, 3),
        options=_settings(options),
        key=key,
    )


def publish_engine(engine: Path, built: BuiltEngine, info: EngineInfo) -> None:
    """Put an engine and its sidecar into a bundle at one moment; until then those before stay.

    Args:
        engine: where it belongs, in the folder of the bundle.
        built: it.
        info: what its sidecar says.

    Raises:
        ExportError: the disk is full or damaged, or the folder cannot be written.
    """
    text = json.dumps(info.to_json(), indent=2) + "\n"
    try:
        with staging_folder(engine.parent) as stage:
            write_bytes(stage / engine.name, built.plan)
            write_text(stage / sidecar_of(engine).name, text)
            if sha256_of(stage / engine.name) != info.sha256:
                raise ExportError(f"{engine} reads back damaged; check the disk")
            publish(stage, engine.parent)
    except OSError as error:
        raise ExportError(
            f"{engine} ({built.plan.nbytes / 1e6:.1f} MB) cannot be written: {error.strerror}; "
            "choose another folder"
        ) from error
