"""Check and measure a bundle on every GPU device of this machine, and write a report.

``python -m qatm.tools.evaluation.device.gpu_report BUNDLE``
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from ....runtime.backends.graph import DEVICES, PRECISIONS, named_device, named_precision
from ....runtime.bundle.folder import Bundle
from ....runtime.bundle.sidecar import EngineInfo, sidecars
from ....runtime.errors import DeviceError, InputError, QatmError
from ....runtime.files import check_folder, write_text
from ....runtime.session import Session
from ...console import FOUND, NOT_FOUND, Command, complain, one_line, print_line, tell
from ...destinations import check_new_folder
from ..speed.bench_pictures import PHOTOGRAPHS
from .gpu_checks import Examination, examine
from .gpu_scenes import SIZES, Check, make_scenes, reference, scene_pictures
from .probes import cuda_driver, installed

GPU_DEVICES = ("cuda", "tensorrt", "tensorrt-rtx")
NAMED_PRECISIONS = tuple(name for name in PRECISIONS if name != "auto")
MIB = 1 << 20

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@dataclass
class GpuReport:
    """Everything that goes into the report.

    Attributes:
        bundle: its folder.
        backbone: what is in it.
        machine: platform, versions of packages, what the NVIDIA driver says.
        absent: devices that do not work here, with the reason.
        examinations: one per device and precision that the bundle has for it.
        pictures: that were looked at, ``photographs`` or ``drawn``.
    """

    bundle: str
    backbone: str
    machine: dict[str, Any]
    absent: dict[str, str] = field(default_factory=dict)
    examinations: list[Examination] = field(default_factory=list)
    pictures: str = PHOTOGRAPHS

    @property
    def passed(self) -> bool:
        """Whether anything was examined and all of it passed."""
        return bool(self.examinations) and all(run.passed for run in self.examinations)

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        return {
            "passed": self.passed,
            "bundle": self.bundle,
            "backbone": self.backbone,
            "machine": self.machine,
            "pictures": self.pictures,
            "absent": self.absent,
            "examinations": [run.as_dict() for run in self.examinations],
        }


@app.command(cls=Command)
def gpu_report(
    bundle: Annotated[
        Path, typer.Argument(metavar="BUNDLE", help="Folder written by qatm-export.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the report.")] = Path(
        "gpu-report"
    ),
    device: Annotated[
        list[str] | None,
        typer.Option(help="Only this device; may be repeated. Default: every GPU device."),
    ] = None,
    repeats: Annotated[int, typer.Option(help="How often to time each thing.", min=1)] = 100,
) -> None:
    """Check a bundle on every GPU device of this machine and measure how fast it is.

    Each device and precision is compared with FP32 on the CPU on pictures of several sizes:
    photographs that scikit-image carries, or drawn ones where it is not installed. Writes report.md
    and report.json.

    Exit status: 0 if everything passed, 1 if a check failed, 2 if no GPU device works here.
    """
    check_new_folder("--out", out)
    report = make_report(Bundle.load(bundle), tuple(device or GPU_DEVICES), repeats)
    write_report(report, out)
    for run in report.examinations:
        for check in run.checks:
            if not check.passed:
                complain(f"{run.device} {run.precision}: {describe(check)}")
    print_line(f"{'passed' if report.passed else 'FAILED'}: {out / 'report.md'}")
    raise typer.Exit(FOUND if report.passed else NOT_FOUND)


def make_report(
    bundle: Bundle,
    devices: Sequence[str] = GPU_DEVICES,
    repeats: int = 100,
    sizes: Sequence[tuple[int, int]] = SIZES,
) -> GpuReport:
    """Examine a bundle on each of the devices that work here.

    Args:
        bundle: what to run.
        devices: which to try, as for ``Matcher``.
        repeats: how often to time each thing.
        sizes: of the pictures, height and width in pixels, small to large.

    Raises:
        DeviceError: none of the devices works.
        InputError: an unknown device.
    """
    known = [name for name in DEVICES if name not in ("auto", "gpu")]
    for name in devices:
        if name not in known:
            raise InputError(f"device {name!r} is unknown; choose {', '.join(known)}")
    tried = {name: find_precisions(bundle, name) for name in dict.fromkeys(devices)}
    working = {name: found for name, found in tried.items() if not isinstance(found, str)}
    absent = {name: found for name, found in tried.items() if isinstance(found, str)}
    if not working:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in absent.items())
        raise DeviceError(f"no GPU device works here, so there is nothing to report ({reasons})")
    scenes = make_scenes(sizes)
    cases = list(zip(scenes, reference(bundle, scenes), strict=True))
    report = GpuReport(
        str(bundle.path), bundle.spec.backbone.name, machine(), absent, pictures=scene_pictures()
    )
    for name, precisions in working.items():
        for precision in precisions:
            tell(f"{name} {precision} …")
            report.examinations.append(examine(bundle, name, precision, cases, repeats))
    return report


def machine() -> dict[str, Any]:
    """Platform, installed packages and GPUs."""
    versions = {name: version for name, version in installed().items() if version}
    return {"platform": platform.platform(), "versions": versions, "gpu": cuda_driver()}


def find_precisions(bundle: Bundle, device: str) -> list[str] | str:
    """The precisions that a bundle has for a device, or why the device does not work.

    A device works where one of them can be opened; the others must then work too.
    """
    present, where = _present(bundle, device), named_device(device)
    reasons: list[str] = []
    for precision in present:
        try:
            Session(bundle, where, precision=named_precision(precision)).close()
        except QatmError as error:
            reasons.append(one_line(str(error)))
            continue
        return present
    if reasons:
        return reasons[0]
    try:
        Session(bundle, where, precision="auto").close()
    except QatmError as error:
        return one_line(str(error))
    return f"bundle {bundle.path} has nothing for it"


def _present(bundle: Bundle, device: str) -> list[str]:
    """The precisions of the files that are meant for a device."""
    if device in ("cpu", "cuda"):
        have = {name.removesuffix("-cpu") for name in bundle.precisions()}
        have -= {"int8"} if device == "cuda" else set()
    else:
        infos = [EngineInfo.load(path) for path in sidecars(bundle.path)]
        have = {i.precision for i in infos if (i.flavour, i.role) == (device, "features")}
    return [name for name in NAMED_PRECISIONS if name in have]


def write_report(report: GpuReport, out: Path) -> None:
    """Write ``report.md`` and ``report.json``, each whole or not at all.

    Raises:
        InputError: the folder cannot be written to.
        OSError: a file cannot be written; the message names it.
    """
    data = json.dumps(report.as_dict(), indent=2, allow_nan=False) + "\n"
    text = "\n".join(markdown(report)) + "\n"
    check_folder(out, f"--out {out}", make=True)
    write_text(out / "report.json", data)
    write_text(out / "report.md", text)


def describe(check: Check) -> str:
    """One line: what was checked, what was seen, what is allowed."""
    size = f" at {check.size}" if check.size else ""
    value = "" if check.value is None else f" {check.value:.3g} {check.unit}".rstrip()
    limit = "" if check.limit is None else f" (limit {check.limit:g})"
    detail = f": {check.detail}" if check.detail else ""
    return f"{check.what}{size}{value}{limit}{detail}"


def markdown(report: GpuReport) -> Iterator[str]:
    """The report for people, line by line."""
    yield f"# GPU report: {'passed' if report.passed else 'FAILED'}"
    yield ""
    yield f"Bundle `{report.bundle}`, {report.backbone}."
    yield f"Machine: {report.machine['platform']}."
    gpu = report.machine["gpu"]
    if gpu["works"]:
        yield f"GPU: {', '.join(gpu['gpus'])}; driver for CUDA {gpu['cuda']}."
    else:
        yield f"GPU: none ({gpu['detail']})."
    versions = (f"{name} {version}" for name, version in report.machine["versions"].items())
    yield f"Versions: {', '.join(versions)}."
    yield f"Pictures: {report.pictures}."
    yield from _table(
        "Devices",
        ("device", "precision", "result", "what runs"),
        [
            *((r.device, r.precision, _verdict(r.passed), r.provider) for r in report.examinations),
            *((name, "", "absent", reason) for name, reason in report.absent.items()),
        ],
    )
    failed = [(r, c) for r in report.examinations for c in r.checks if not c.passed]
    rows = [(r.device, r.precision, describe(c)) for r, c in failed]
    yield from _table("Failed checks", ("device", "precision", "what"), rows)
    yield from _differences(report)
    yield from _latencies(report)
    yield from _memory(report)
    yield from _behaviour(report)


def _differences(report: GpuReport) -> Iterator[str]:
    """The worst of each quantity."""
    rows: list[Sequence[str]] = []
    for run in report.examinations:
        worst: dict[str, Check] = {}
        for check in run.checks:
            if check.value is not None and check.value >= _value(worst.get(check.what)):
                worst[check.what] = check
        for what, c in worst.items():
            value = f"{c.value:.3g} {c.unit}".rstrip()
            limit = "" if c.limit is None else f"{c.limit:g}"
            rows.append((run.device, run.precision, what, value, limit, c.size, _verdict(c.passed)))
    titles = ("device", "precision", "what", "largest", "limit", "at", "")
    yield from _table("Differences from FP32 on the CPU, and between reruns", titles, rows)


def _value(check: Check | None) -> float:
    """What was measured; less than anything where nothing was."""
    return -1.0 if check is None or check.value is None else check.value


def _latencies(report: GpuReport) -> Iterator[str]:
    """Every timing."""
    titles = ("device", "precision", "what", "size", "clock", "median ms", "p90 ms", "runs")
    rows = [
        (
            *(run.device, run.precision, time.what, time.size, time.clock),
            *(f"{time.median_ms:.3f}", f"{time.p90_ms:.3f}", str(time.runs)),
        )
        for run in report.examinations
        for time in run.latencies
    ]
    yield from _table("Latency", titles, rows)


def _memory(report: GpuReport) -> Iterator[str]:
    """CUDA graphs and memory."""
    engines = [
        (
            *(run.device, run.precision, state["file"], state["graphs"]),
            *(f"{state['graphs_held']} for {state['shapes_held']} shapes",),
            f"{state['device_bytes'] / MIB:.1f}",
            f"{state.get('device_bytes_at_most', 0) / MIB:.1f}",
        )
        for run in report.examinations
        for state in run.engines.values()
    ]
    titles = ("device", "precision", "engine", "CUDA graphs", "held", "buffers MiB", "at most MiB")
    yield from _table("CUDA graphs and buffers on the device", titles, engines)
    rows = [
        (run.device, run.precision, f"{run.memory_mb:.0f}", ", ".join(run.skipped) or "none")
        for run in report.examinations
        if run.memory_mb is not None
    ]
    titles = ("device", "precision", "process MiB", "sizes outside the profiles")
    yield from _table("Process", titles, rows)


def _behaviour(report: GpuReport) -> Iterator[str]:
    """Checks without a number."""
    rows = [
        (run.device, run.precision, check.what, _verdict(check.passed), check.detail)
        for run in report.examinations
        for check in run.checks
        if check.value is None
    ]
    yield from _table("Behaviour", ("device", "precision", "what", "", "seen"), rows)


def _verdict(passed: bool) -> str:
    return "ok" if passed else "FAIL"


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A heading and a Markdown table; nothing where there are no rows."""
    if not rows:
        return
    yield ""
    yield f"## {title}"
    yield ""
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '/') for cell in row)} |"


if __name__ == "__main__":
    app()
