"""What this machine can do for the matcher, what is wrong with it, and what would help."""

from __future__ import annotations

from ....runtime.backends.graph import DEVICES
from .probes import (
    PACKAGES,
    Record,
    cuda_driver,
    default_bundle,
    installed,
    providers,
    try_device,
    wheel_version,
)


def examine() -> Record:
    """Look at everything; the result can be printed as JSON.

    Keys: ``ok`` (``Matcher()`` runs), ``matcher`` (what it runs on), ``versions`` (``None`` where
    absent), ``gpu``, ``providers`` and ``devices`` (``works`` and ``detail`` for each),
    ``bundle``, ``problems`` and ``advice`` (lists of sentences).
    """
    versions = installed()
    gpu = cuda_driver()
    bundle = default_bundle()
    devices = {name: try_device(name) for name in DEVICES}
    auto = devices.pop("auto")
    report: Record = {
        "ok": auto["works"],
        "matcher": auto["info"],
        "versions": versions,
        "gpu": gpu,
        "providers": providers() if bundle["valid"] else {},
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
    versions = report["versions"]
    found = []
    if not report["ok"]:
        found.append(f"Matcher() does not run: {matcher_problem}")
    if versions["onnxruntime"] and versions["onnxruntime-gpu"]:
        found.append(
            "onnxruntime and onnxruntime-gpu are both installed and overwrite each other's files"
        )
    opencv = next(package for package in PACKAGES if package.name == "opencv")
    wheels = [wheel for wheel in opencv.wheels if wheel_version(wheel)]
    if len(wheels) > 1:
        found.append(f"{' and '.join(wheels)} are all installed and overwrite each other's files")
    return found


def advice(report: Record) -> list[str]:
    """What to install for more, one sentence each."""
    versions, gpu = report["versions"], report["gpu"]
    cpu_wheel, gpu_wheel = versions["onnxruntime"], versions["onnxruntime-gpu"]
    lines = []
    if cpu_wheel and gpu_wheel:
        lines.append(
            "one ONNX Runtime: pip uninstall onnxruntime onnxruntime-gpu, "
            'then pip install "qatm[cpu]" or "qatm[gpu]"'
        )
    elif not cpu_wheel and not gpu_wheel:
        lines.append('to match: pip install "qatm[gpu]" with an NVIDIA GPU, else "qatm[cpu]"')
    elif gpu["works"] and not gpu_wheel:
        lines.append('to use the GPU: pip uninstall onnxruntime, then pip install "qatm[gpu]"')
    elif gpu["works"] and not report["devices"]["cuda"]["works"]:
        lines.append(
            "to use the GPU: install the CUDA and cuDNN versions that this onnxruntime-gpu needs, "
            'for example pip install "onnxruntime-gpu[cuda,cudnn]"'
        )
    if not report["bundle"]["valid"]:
        lines.append("the model is missing or damaged: pip install --force-reinstall qatm")
    if not all(versions[name] for name in ("torch", "onnx", "onnxscript")):
        lines.append('to export your own models: pip install "qatm[export]"')
    if not versions["scikit-image"]:
        lines.append('to run the demo: pip install "qatm[demo]"')
    return lines
