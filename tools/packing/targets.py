"""What a bundle needs on each target, and what there is to do there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ...export.engines.engines import SOURCES
from ...runtime.bundle.folder import Bundle, default_bundle_path
from ...runtime.bundle.manifest import COMPARE_ROLE, FOLLOW_ROLE, NETWORK_ROLE, FileInfo
from ...runtime.bundle.sidecar import EngineInfo, engines_for
from ...runtime.errors import BundleError, InputError

SINGLE = "fp32"
BASE = ("features", "match")
"""Roles whose FP32 files every device reads: they say what the bundle is."""


@dataclass(frozen=True)
class Target:
    """A kind of machine.

    Attributes:
        name: as it is typed.
        title: for people.
        devices: what must run there; the self-test runs on them.
        roles: of the FP32 files that are run there, beside :data:`BASE`.
        features: further precisions of the features that are run, or that engines are built from.
        flavour: of the engines that are run there, or ``None``.
        needs_engines: they cannot be built there by themselves, so that a pack without is useless.
        one_of: roles of which the bundle needs one for this target.
        cure: the options of qatm-export that make what is missing.
        install: commands.
        steps: what comes before the check, commands with ``#`` comments.
        use: what to do then, commands.
    """

    name: str
    title: str
    devices: tuple[str, ...]
    roles: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    flavour: str | None = None
    needs_engines: bool = False
    one_of: tuple[str, ...] = ()
    cure: str = ""
    install: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    use: tuple[str, ...] = ()


MATCH = "qatm match scene.jpg --frame first.jpg --box 120,80,64,64 --model . --device "

TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        target.name: target
        for target in (
            Target(
                "cpu",
                "a CPU, with ONNX Runtime",
                ("cpu",),
                ("place", NETWORK_ROLE, FOLLOW_ROLE, COMPARE_ROLE),
                ("int8-cpu",),
                install=('pip install "qatm[standard]"',),
                use=(f"{MATCH}cpu",),
            ),
            Target(
                "cuda",
                "an NVIDIA GPU, with ONNX Runtime on CUDA",
                ("cuda",),
                ("place", NETWORK_ROLE, FOLLOW_ROLE, COMPARE_ROLE),
                ("fp16",),
                install=(
                    'pip install "qatm[gpu,opencv,cli]"       # driver for CUDA 13',
                    'pip install "qatm[gpu-cu12,opencv,cli]"  # or for CUDA 12',
                ),
                use=(f"{MATCH}cuda",),
            ),
            Target(
                "rtx",
                "a PC with an RTX card, with TensorRT-RTX",
                ("tensorrt-rtx",),
                (FOLLOW_ROLE, COMPARE_ROLE),
                flavour="tensorrt-rtx",
                needs_engines=True,
                cure="--engine tensorrt-rtx",
                install=('pip install "qatm[rtx,opencv,cli]" "tensorrt-rtx-cu13=={version}"',),
                use=(f"{MATCH}tensorrt-rtx",),
            ),
            Target(
                "jetson",
                "a Jetson, with JetPack's TensorRT and OpenCV",
                ("tensorrt",),
                (NETWORK_ROLE, FOLLOW_ROLE, COMPARE_ROLE),
                ("fp16", "int8-trt"),
                flavour="tensorrt",
                install=(
                    "python3 -m venv --system-site-packages ~/qatm-env",
                    "source ~/qatm-env/bin/activate",
                    'pip install "qatm[cli]" "cuda-python>=12,<13" "numpy<2"  # JetPack 6',
                ),
                steps=("qatm-export --engines-only --engine tensorrt .  # minutes, once",),
                use=(f"{MATCH}tensorrt",),
            ),
            Target(
                "web",
                "browsers, with onnxruntime-web",
                ("cpu",),
                ("place", "encode", "find", "joint", FOLLOW_ROLE, COMPARE_ROLE),
                one_of=("find", "joint"),
                cure="--find",
                install=('pip install "qatm[standard]"  # for the check only',),
                use=("cp -r . PROJECT/examples/web/bundle  # the page that runs them",),
            ),
        )
    }
)
"""By name."""


@dataclass(frozen=True)
class Picked:
    """What goes into a pack.

    Attributes:
        files: entries of the manifest by name.
        engines: sidecars of the engines, which are read already.
    """

    files: dict[str, FileInfo]
    engines: tuple[EngineInfo, ...]

    @property
    def versions(self) -> list[str]:
        """Versions of the library that built the engines."""
        return sorted({engine.version for engine in self.engines})


def find_target(name: str) -> Target:
    """A target by its name.

    Raises:
        InputError: there is none.
    """
    if name not in TARGETS:
        raise InputError(f"--for {name!r} is unknown; choose one of {', '.join(TARGETS)}")
    return TARGETS[name]


def pick(bundle: Bundle, target: Target) -> Picked:
    """The files of a bundle that a target needs.

    Raises:
        BundleError: the bundle lacks what the target cannot do without, or an engine is damaged.
    """
    roles = (*BASE, *target.roles)
    wanted = {("features", precision) for precision in target.features}
    wanted |= {(role, SINGLE) for role in roles}
    engines = _engines(bundle, target)
    # What an engine was built from says whose it is, and builds it again for another version.
    sources = {engine.source for engine in engines}
    files = {
        name: info
        for name, info in bundle.spec.files.items()
        if (info.role, info.precision) in wanted or name in sources
    }
    if target.one_of and not any(info.role in target.one_of for info in files.values()):
        raise BundleError(_lacks(bundle, target, f"{' or '.join(target.one_of)} graph"))
    return Picked(files, engines)


def missing_precisions(bundle: Bundle, target: Target) -> list[str]:
    """Precisions that would run faster there and that the bundle does not have."""
    return [name for name in target.features if name not in bundle.precisions()]


def _engines(bundle: Bundle, target: Target) -> tuple[EngineInfo, ...]:
    """The sound engines of the target's flavour."""
    found: list[EngineInfo] = []
    for info in engines_for(bundle, target.flavour) if target.flavour else ():
        if isinstance(info, BundleError):
            raise info
        info.check_bundle(bundle)
        found.append(info)
    built = {
        info.role
        for info in found
        if info.precision == SINGLE or (info.role == "features" and info.precision in SOURCES)
    }
    run = (role for role in (*BASE, *target.roles) if bundle.precisions(role))
    lacking = [role for role in run if role not in built]
    if target.needs_engines and lacking:
        which = f"{' and '.join(lacking)} engines" if built else "engines"
        raise BundleError(_lacks(bundle, target, f"{which} for {target.flavour}"))
    return tuple(found)


def _lacks(bundle: Bundle, target: Target, what: str) -> str:
    """What is missing and how to get it."""
    if bundle.path == default_bundle_path():
        cure = f"qatm-export {target.cure} bundle, and pack that"
    elif target.needs_engines:
        cure = f"qatm-export --engines-only {target.cure} {bundle.path}"
    else:  # any other export would be of the default network, over this one
        cure = f"export it again with its options and {target.cure}"
    return f"bundle {bundle.path} has no {what}, which --for {target.name} needs: {cure}"
