"""``qatm doctor``: what is installed, what really works, and what to install for more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from ...runtime.backends.devices import DEVICES
from ..console import FOUND, NOT_FOUND, json_line, print_line
from ..evaluation.device.probes import (
    PACKAGES,
    Record,
    cuda_driver,
    default_bundle,
    installed,
    providers,
    try_device,
    wheel_version,
)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what is installed, which devices really work, and what to install for more.

    Every device is tried by running the default model on it.

    Exit status: 0 if the matcher can run here, 1 otherwise.
    """
    report = examine()
    if as_json:
        print_line(json_line(report))
    else:
        for line in describe_report(report):
            print_line(line)
    raise typer.Exit(FOUND if report["ok"] else NOT_FOUND)


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


def describe_report(report: Record) -> Iterator[str]:
    """The report for people, line by line."""
    yield "Installed"
    for name, version in report["versions"].items():
        yield _row(name, version or "-")
    gpu = report["gpu"]
    yield "NVIDIA GPU"
    if gpu["works"]:
        yield from (_row(f"GPU {index}", name) for index, name in enumerate(gpu["gpus"]))
        yield _row("driver", f"CUDA {gpu['cuda']}")
    else:
        yield _row("none", gpu["detail"])
    yield "ONNX Runtime providers, tried"
    yield from _tried(report["providers"])
    yield "Devices, tried"
    yield from _tried(report["devices"])
    bundle = report["bundle"]
    yield "Model that Matcher() uses"
    if bundle["valid"]:
        yield _row("folder", bundle["path"])
        yield _row("backbone", bundle["backbone"])
        yield _row("precisions", ", ".join(bundle["precisions"]))
        yield _row("files", "complete, SHA-256 as recorded")
    else:
        yield _row("unusable", bundle["detail"])
    for title, key in (("Problems", "problems"), ("To get more", "advice")):
        if report[key]:
            yield title
            yield from (f"  - {sentence}" for sentence in report[key])
    if report["ok"]:
        info = report["matcher"]
        yield f"Matcher() works here: {info['device']}, {info['provider']}, {info['precision']}"
    else:
        yield "Matcher() does not work here"


def _row(name: str, value: str) -> str:
    """A name and a value in two columns."""
    return f"  {name:<26} {value}"


def _tried(things: dict[str, Record]) -> Iterator[str]:
    """One line for each provider or device that was tried."""
    if not things:
        yield _row("none", "-")
    for name, record in things.items():
        detail = f": {record['detail']}" if record["detail"] else ""
        yield _row(name, ("works" if record["works"] else "no") + detail)
