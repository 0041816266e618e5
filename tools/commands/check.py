"""``qatm check``: prove that a bundle computes what the PyTorch model does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...runtime.bundle.folder import Bundle
from ...runtime.bundle.sidecar import engine_problems
from ...runtime.errors import QatmError
from ..console import FOUND, NOT_FOUND, json_line, print_line

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
    reference, results = _compare(checked, weights)
    if reference.warning:
        typer.echo(f"warning: {reference.warning}", err=True)
    results = list(_printed(results) if as_json else results)
    if not as_json:
        _print_table(checked, results)
    worst = max(results, key=lambda result: result.badness)
    if not worst.passed:
        typer.echo(f"failed: {describe(worst)}", err=True)
    problems = engine_problems(checked)
    for problem in problems:
        typer.echo(f"failed: {problem}", err=True)
    raise typer.Exit(FOUND if worst.passed and not problems else NOT_FOUND)


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


def _printed(results: Iterable[Deviation]) -> Iterator[Deviation]:
    """Print each comparison as it comes."""
    for result in results:
        print_line(json_line(result.as_dict()))
        yield result


def describe(result: Deviation) -> str:
    """One line: what differs from what, by how much, and where."""
    return (
        f"{result.artefact} ({result.precision}): {result.what} of {result.candidate} differs "
        f"from {result.reference} by {result.error:.3g} {result.unit} (tolerance "
        f"{result.tolerance:g}) at {result.size}: {result.where}"
    )


def worst_of_each(results: Sequence[Deviation]) -> list[Deviation]:
    """The worst case of every quantity of every file and implementation, in order."""
    worst: dict[tuple[str, ...], Deviation] = {}
    for result in results:
        key = (result.artefact, result.what, result.reference, result.candidate)
        if key not in worst or result.badness > worst[key].badness:
            worst[key] = result
    return list(worst.values())


def _print_table(bundle: Bundle, results: Sequence[Deviation]) -> None:
    """Print the largest errors and where they are."""
    from rich.console import Console

    console = Console()
    console.print(_table(bundle, results))
    passed = sum(result.passed for result in results)
    verdict = "passed" if passed == len(results) else "FAILED"
    console.print(f"{verdict}: {passed} of {len(results)} comparisons within tolerance")


def _table(bundle: Bundle, results: Sequence[Deviation]) -> Any:
    """A rich table, one row for the worst case of each quantity."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"{bundle.path}: largest differences", title_justify="left")
    table.add_column("what")
    for title in ("error", "allowed"):
        table.add_column(title, justify="right")
    for title in ("where", ""):
        table.add_column(title)
    heading = ""
    for result in worst_of_each(results):
        title = f"{result.artefact} against {result.reference}"
        if title != heading:
            table.add_section()
            table.add_row(Text(title, "bold"))
            heading = title
        table.add_row(
            f"  {result.what}, {result.candidate}",
            f"{result.error:.1e}",
            f"{result.tolerance:.0e} {result.unit}",
            Text(f"{result.size}: {result.where}"),
            Text("ok", "green") if result.passed else Text("FAIL", "bold red"),
        )
    return table
