"""``qatm doctor``: what is installed, what really works, and what to install for more."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from ..console import FOUND, NOT_FOUND, Command, json_line, print_line, while_read
from ..evaluation.device.diagnosis import examine
from ..evaluation.device.probes import Record
from .model_options import ModelOption


def doctor(
    model: ModelOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what is installed, which devices really work, and what to install for more.

    Every device is tried by running the model on it. It comes to an end whatever is missing or
    broken, and says the cure.

    Exit status: 0 if Matcher() runs here without a device being named, 1 otherwise.
    """
    report = examine(model)
    with while_read():
        for line in [json_line(report)] if as_json else describe_report(report):
            print_line(line)
    raise typer.Exit(FOUND if report["ok"] else NOT_FOUND)


def describe_report(report: Record) -> Iterator[str]:
    """The report for people, line by line."""
    yield "Installed"
    for name, version in report["versions"].items():
        yield _row(name, version or "-")
    yield from _opencv(report["opencv"])
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
    yield "Model"
    if bundle["valid"]:
        yield _row("folder", bundle["path"])
        yield _row("backbone", bundle["backbone"])
        yield _row("precisions", ", ".join(bundle["precisions"]))
        yield _row("files", "complete, SHA-256 as recorded")
        yield _row("scores", _calibration(bundle["calibrated"]))
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
        named = [name for name, device in report["devices"].items() if device["works"]]
        others = f"; one that is told device={named[0]!r} does" if named else ""
        yield f"Matcher() does not work here{others}"


def alone() -> None:
    """The program ``qatm doctor``, where the other commands may not even be importable."""
    app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
    app.command(cls=Command)(doctor)
    app(args=sys.argv[2:], prog_name="qatm doctor")


def _opencv(found: Record) -> Iterator[str]:
    """Which OpenCV is imported, and from where."""
    yield "OpenCV"
    wheels = " and ".join(f"{name} {version}" for name, version in found["wheels"].items())
    if found["works"]:
        yield _row(found["version"], found["path"] or "-")
        yield _row("from", wheels or "no wheel: the system's, or built here")
    else:
        yield _row("unusable", found["detail"])


def _calibration(tasks: dict[str, bool]) -> str:
    """For which tasks the scores were fitted with this backbone."""
    parts = {True: "calibrated: true for ", False: "calibrated: false for "}
    names = {known: [task for task, value in tasks.items() if value is known] for known in parts}
    return "; ".join(
        text + ", ".join(names[known]) for known, text in parts.items() if names[known]
    )


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
