"""``qatm check``: prove that a bundle computes what the PyTorch model does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...runtime.backends.graph import DEVICES
from ...runtime.bundle.folder import Bundle
from ...runtime.bundle.sidecar import engine_problems
from ...runtime.errors import DeviceError, InputError, QatmError
from ..console import (
    FOUND,
    NOT_FOUND,
    json_line,
    print_line,
    print_table,
    tell,
    warn,
    while_read,
)
from .model_options import BundleArgument

if TYPE_CHECKING:
    from ...export.parity.judge import Deviation
    from ..packing.self_test import AnswerCheck, SelfTest

NAMED_DEVICES = tuple(name for name in DEVICES if name != "auto")
NEEDS = '--weights compares with PyTorch, and {} is not installed: pip install "qatm[export]"'
HASHED = "note: of {} only the hash is checked: {}"
ON_DEVICE = (
    "note: {} is not installed, so the bundle is compared with FP32 on this CPU and with plain "
    "numpy, not with the model"
)


def check(
    bundle: BundleArgument = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Weight file that the bundle was exported from. Default: packaged.",
        ),
    ] = None,
    device: Annotated[
        list[str] | None,
        typer.Option(
            "--device",
            metavar="DEVICE",
            help="Run the self-test of a packed bundle here; may be repeated. Default: what it was "
            "packed for.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per comparison.")
    ] = False,
) -> None:
    """Prove that a bundle computes what the model does: numpy = PyTorch = ONNX Runtime.

    Every file is run on photographs (textures without scikit-image) of several sizes and compared
    within a table of tolerances. Engines must be undamaged and built from these files. Without
    PyTorch, as on a device, the other precisions, CUDA and engines are compared with FP32 on the
    CPU, and the arithmetic with plain numpy. A bundle that qatm bundle pack wrote is asked its
    self-test on the devices that it was packed for.

    Exit status: 0 if everything agrees, 1 if something does not, 2 if it cannot be checked.
    """
    checked = Bundle.load(bundle)
    for info in checked.spec.files.values():
        checked.file(info.role, info.precision)
    test = _self_test(checked, device)
    comparisons = _compare(checked, weights, alone=test is None)
    done: list[Deviation] = []
    answers: list[AnswerCheck] = []
    with while_read():
        for deviation in comparisons:
            done.append(deviation)
            if as_json:
                print_line(json_line(deviation.as_dict()))
        for verdict in test.run(checked, device or ()) if test is not None else ():
            answers.append(verdict)
            if as_json:
                print_line(json_line(verdict.as_dict()))
        if not as_json:
            _print_tables(checked, done, answers)
    problems = engine_problems(checked)
    failed = [deviation for deviation in done if not deviation.passed]
    if failed:
        problems.insert(0, describe(max(failed, key=lambda deviation: deviation.badness)))
    problems += [describe_answer(verdict) for verdict in answers if not verdict.passed]
    for problem in problems:
        tell(f"failed: {problem}")
    raise typer.Exit(NOT_FOUND if problems else FOUND)


def _self_test(bundle: Bundle, devices: Sequence[str] | None) -> SelfTest | None:
    """The self-test of a packed bundle.

    Raises:
        InputError: a device is unknown, or there is no self-test to run on it.
        BundleError: it is damaged.
    """
    from ..packing.self_test import SelfTest

    test = SelfTest.load(bundle.path)
    for name in devices or ():
        if name not in NAMED_DEVICES:
            raise InputError(f"device {name!r} is unknown; choose {', '.join(NAMED_DEVICES)}")
        if test is None:
            raise InputError(
                f"--device is for the self-test of a packed bundle, and {bundle.path} has none; "
                "leave it out, or pack it: qatm bundle pack"
            )
    return test


def _compare(bundle: Bundle, weights: Path | None, *, alone: bool) -> Iterator[Deviation]:
    """The comparisons that this machine can make, which are made as they are asked for.

    Args:
        bundle: what is checked.
        weights: its weight file, if it was named.
        alone: nothing else is checked.

    Raises:
        QatmError: the weights do not fit or cannot be compared with, or ONNX Runtime is not
            installed and nothing else is checked.
    """
    try:
        from ...export.parity.network_proof import unproven
        from ...export.parity.proof import compare_bundle, load_reference
    except ModuleNotFoundError as error:
        if weights is not None:
            raise QatmError(NEEDS.format(error.name)) from error
        tell(ON_DEVICE.format(error.name))
        return _compare_on_device(bundle, alone=alone)
    reference = load_reference(bundle, weights)
    if reference.warning:
        warn(reference.warning)
    for name in unproven(bundle):
        tell(HASHED.format(name, "its weights, which PyTorch reads, are not in the bundle"))
    return iter(compare_bundle(bundle, reference.backbone))


def _compare_on_device(bundle: Bundle, *, alone: bool) -> Iterator[Deviation]:
    """What a machine without PyTorch can compare."""
    from ...export.parity.device_proof import compare_on_device, unjudged

    for name in unjudged(bundle):
        tell(HASHED.format(name, "PyTorch judges it"))
    try:
        yield from compare_on_device(bundle)
    except DeviceError as error:
        if alone:
            raise
        tell(f"note: only the self-test is run: {error}")


def describe(deviation: Deviation) -> str:
    """One line: what differs from what, by how much, and where."""
    return (
        f"{deviation.artefact} ({deviation.precision}): {deviation.what} of "
        f"{deviation.candidate} differs from {deviation.reference} by {deviation.error:.3g} "
        f"{deviation.unit} (tolerance {deviation.tolerance:g}) at {deviation.size}: "
        f"{deviation.where}"
    )


def describe_answer(verdict: AnswerCheck) -> str:
    """One line: where the self-test gives another answer, and which."""
    where = f"{verdict.device} {verdict.precision}".strip()
    if verdict.what == "runs":
        return f"self-test on {where} does not run: {verdict.detail}"
    return f"self-test on {where}: {verdict.what} {verdict.detail}"


def worst_of_each(deviations: Sequence[Deviation]) -> list[Deviation]:
    """The worst of every quantity of every file and implementation, in order."""
    worst: dict[tuple[str, ...], Deviation] = {}
    for deviation in deviations:
        key = (deviation.artefact, deviation.what, deviation.reference, deviation.candidate)
        if key not in worst or deviation.badness > worst[key].badness:
            worst[key] = deviation
    return list(worst.values())


def _print_tables(
    bundle: Bundle, deviations: Sequence[Deviation], answers: Sequence[AnswerCheck]
) -> None:
    """Print the largest errors and where they are, and the self-test's answers."""
    every = [*deviations, *answers]
    passed = sum(one.passed for one in every)
    verdict = "passed" if passed == len(every) else "FAILED"
    tables = [_table(bundle, deviations)] if deviations else []
    tables += [_answers_table(answers)] if answers else []
    print_table(*tables, f"{verdict}: {passed} of {len(every)} comparisons within tolerance")


def _answers_table(answers: Sequence[AnswerCheck]) -> Any:
    """A rich table, one row for each answer."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title="self-test", title_justify="left")
    for title in ("device", "precision", "what", "seen", ""):
        table.add_column(title)
    for one in answers:
        mark = Text("ok", "green") if one.passed else Text("FAIL", "bold red")
        table.add_row(one.device, one.precision, one.what, Text(one.detail), mark)
    return table


def _table(bundle: Bundle, deviations: Sequence[Deviation]) -> Any:
    """A rich table, one row for the worst of each quantity."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"{bundle.path}: largest differences", title_justify="left")
    table.add_column("what")
    for title in ("error", "allowed"):
        table.add_column(title, justify="right")
    for title in ("where", ""):
        table.add_column(title)
    heading = ""
    for deviation in worst_of_each(deviations):
        title = f"{deviation.artefact} against {deviation.reference}"
        if title != heading:
            table.add_section()
            table.add_row(Text(title, "bold"))
            heading = title
        table.add_row(
            f"  {deviation.what}, {deviation.candidate}",
            f"{deviation.error:.1e}",
            f"{deviation.tolerance:.0e} {deviation.unit}",
            Text(f"{deviation.size}: {deviation.where}"),
            Text("ok", "green") if deviation.passed else Text("FAIL", "bold red"),
        )
    return table
