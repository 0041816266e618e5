"""``qatm check``: prove that a bundle computes what the PyTorch model does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...runtime.bundle.folder import Bundle
from ...runtime.bundle.sidecar import engine_problems
from ...runtime.errors import QatmError
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

if TYPE_CHECKING:
    from ...export.parity.judge import Deviation
    from ...export.parity.proof import TorchReference

NEEDS = 'qatm check compares with PyTorch, and {} is not installed: pip install "qatm[export]"'


def check(
    bundle: Annotated[
        Path | None,
        typer.Argument(
            help="Folder written by qatm-export. Default: the model inside the package."
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(help="Weight file that the bundle was exported from. Default: packaged."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per comparison.")
    ] = False,
) -> None:
    """Prove that a bundle computes what the model does: numpy = PyTorch = ONNX Runtime.

    Every file is run on photographs (textures without scikit-image) of several sizes and compared
    within a table of tolerances. Engines must be undamaged and built from these files.

    Exit status: 0 if everything agrees, 1 if something does not, 2 if it cannot be checked.
    """
    checked = Bundle.load(bundle)
    reference, comparisons = _compare(checked, weights)
    if reference.warning:
        warn(reference.warning)
    done: list[Deviation] = []
    with while_read():
        for deviation in comparisons:
            done.append(deviation)
            if as_json:
                print_line(json_line(deviation.as_dict()))
        if not as_json:
            _print_table(checked, done)
    failed = [deviation for deviation in done if not deviation.passed]
    problems = engine_problems(checked)
    if failed:
        problems.insert(0, describe(max(failed, key=lambda deviation: deviation.badness)))
    for problem in problems:
        tell(f"failed: {problem}")
    raise typer.Exit(NOT_FOUND if problems else FOUND)


def _compare(bundle: Bundle, weights: Path | None) -> tuple[TorchReference, Iterable[Deviation]]:
    """The model and the comparisons, which are made as they are asked for.

    Raises:
        QatmError: PyTorch is not installed, or the weights do not fit.
    """
    try:
        from ...export.parity.proof import compare_bundle, load_reference
    except ModuleNotFoundError as error:
        raise QatmError(NEEDS.format(error.name)) from error
    reference = load_reference(bundle, weights)
    return reference, compare_bundle(bundle, reference.backbone)


def describe(deviation: Deviation) -> str:
    """One line: what differs from what, by how much, and where."""
    return (
        f"{deviation.artefact} ({deviation.precision}): {deviation.what} of "
        f"{deviation.candidate} differs from {deviation.reference} by {deviation.error:.3g} "
        f"{deviation.unit} (tolerance {deviation.tolerance:g}) at {deviation.size}: "
        f"{deviation.where}"
    )


def worst_of_each(deviations: Sequence[Deviation]) -> list[Deviation]:
    """The worst of every quantity of every file and implementation, in order."""
    worst: dict[tuple[str, ...], Deviation] = {}
    for deviation in deviations:
        key = (deviation.artefact, deviation.what, deviation.reference, deviation.candidate)
        if key not in worst or deviation.badness > worst[key].badness:
            worst[key] = deviation
    return list(worst.values())


def _print_table(bundle: Bundle, deviations: Sequence[Deviation]) -> None:
    """Print the largest errors and where they are."""
    passed = sum(deviation.passed for deviation in deviations)
    verdict = "passed" if passed == len(deviations) else "FAILED"
    count = f"{verdict}: {passed} of {len(deviations)} comparisons within tolerance"
    print_table(_table(bundle, deviations), count)


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
