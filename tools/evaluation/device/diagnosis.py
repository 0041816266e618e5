"""What this machine can do for the matcher, what is wrong with it, and what would help."""

from __future__ import annotations

from pathlib import Path

from ....runtime.backends.graph import DEVICES
from ....runtime.opencv import reinstall
from .probes import (
    Record,
    bundle_state,
    cuda_driver,
    installed,
    opencv,
    providers,
    try_device,
)

NEWEST_CUDA = 13
"""Of the libraries that the newest ONNX Runtime and TensorRT are built for."""


def examine(model: Path | None = None) -> Record:
    """Look at everything; the result can be printed as JSON.

    Args:
        model: folder of the bundle that is tried; ``None`` is the one that ``Matcher()`` takes.

    Returns:
        ``ok`` (``Matcher()`` runs), ``matcher`` (what it runs on), ``versions`` (``None`` where
        absent), ``opencv``, ``gpu``, ``providers`` and ``devices`` (``works`` and ``detail`` for
        each), ``bundle``, ``problems`` and ``advice`` (lists of sentences).
    """
    bundle = bundle_state(model)
    devices = {name: try_device(name, model) for name in DEVICES if name != "gpu"}
    auto = devices.pop("auto")
    report: Record = {
        "ok": auto["works"],
        "matcher": auto["info"],
        "versions": installed(),
        "opencv": opencv(),
        "gpu": cuda_driver(),
        "providers": providers(),
        "devices": {
            name: {key: device[key] for key in ("works", "detail")}
            for name, device in devices.items()
        },
        "bundle": bundle,
    }
    report["problems"] = problems(report, auto["detail"])
    report["advice"] = advice(report)
    return report


def problems(report: Record, matcher_problem: str) -> list[str]:
    """What is wrong, one sentence each."""
    versions, opencv_found = report["versions"], report["opencv"]
    found = []
    if not opencv_found["works"]:
        found.append(opencv_found["detail"])
    if not report["bundle"]["valid"]:
        found.append(report["bundle"]["detail"])
    # It would say one of these again.
    if not report["ok"] and not found:
        found.append(f"Matcher() does not run: {matcher_problem}")
    found += report["bundle"]["engines"]
    if versions["onnxruntime"] and versions["onnxruntime-gpu"]:
        found.append(
            "onnxruntime and onnxruntime-gpu are both installed and overwrite each other's files"
        )
    wheels = opencv_found["wheels"]
    if len(wheels) > 1:
        found.append(f"{' and '.join(wheels)} are all installed and overwrite each other's files")
    if opencv_found["hidden"]:
        found.append(
            f"the OpenCV in {' and in '.join(opencv_found['hidden'])} is hidden by the one in "
            f"{opencv_found['path']}"
        )
    return found


def advice(report: Record) -> list[str]:
    """What to install for more, one sentence each."""
    versions = report["versions"]
    lines = [*_about_opencv(report["opencv"]), *_about_onnxruntime(report)]
    if not report["bundle"]["valid"]:
        lines.append(
            "the model is missing or damaged: copy or export it again; the one inside the package "
            "comes back with pip install --force-reinstall --no-deps qatm"
        )
    if not all(versions[name] for name in ("torch", "onnx", "onnxscript")):
        lines.append('to export your own models: pip install "qatm[export]"')
    if not versions["scikit-image"]:
        lines.append('to run the demo: pip install "qatm[demo]"')
    return lines


def _about_opencv(found: Record) -> list[str]:
    """One OpenCV, and the one that is wanted."""
    wheels = found["wheels"]
    if len(wheels) > 1:
        return [f"one OpenCV: {reinstall(wheels)}"]
    if wheels and found["hidden"]:
        (wheel,) = wheels
        return [f"to use the hidden OpenCV, such as JetPack's: pip uninstall {wheel}"]
    return []


def _about_onnxruntime(report: Record) -> list[str]:
    """One ONNX Runtime, and the one that suits the machine."""
    versions, gpu = report["versions"], report["gpu"]
    cpu_wheel, gpu_wheel = versions["onnxruntime"], versions["onnxruntime-gpu"]
    extra = _gpu_extra(gpu)
    if cpu_wheel and gpu_wheel:
        return [
            "one ONNX Runtime: pip uninstall -y onnxruntime onnxruntime-gpu, then pip install "
            f'"qatm[cpu]" or "{extra}"'
        ]
    if not cpu_wheel and not gpu_wheel:
        return [f'to match: pip install "{extra}" with an NVIDIA GPU, else "qatm[cpu]"']
    works = report["devices"]["cpu"]["works"]
    if cpu_wheel and not works and report["bundle"]["valid"] and report["opencv"]["works"]:
        return ["ONNX Runtime again: pip install --force-reinstall --no-deps onnxruntime"]
    if not gpu["works"] or report["devices"]["cuda"]["works"]:
        return []
    if not gpu_wheel:
        return [f'to use the GPU: pip uninstall -y onnxruntime, then pip install "{extra}"']
    return [
        "to use the GPU: install the CUDA and cuDNN libraries that this onnxruntime-gpu needs, "
        f'pip install "{extra}"'
    ]


def _gpu_extra(gpu: Record) -> str:
    """The extra with an ONNX Runtime for the driver's CUDA; drivers run older ones too."""
    version = str(gpu.get("cuda") or NEWEST_CUDA)
    return "qatm[gpu]" if int(version.partition(".")[0]) >= NEWEST_CUDA else "qatm[gpu-cu12]"
