"""``qatm bundle verify``: is a bundle whole, and is it the one that was pinned?"""

from __future__ import annotations

from typing import Annotated

import typer

from ...runtime.bundle.folder import Bundle, checked_hash
from ...runtime.bundle.publishing import MANIFEST
from ...runtime.bundle.sidecar import engine_problems, sidecars
from ..console import FOUND, NOT_FOUND, json_line, print_line, tell, while_read
from .model_options import BundleArgument


def verify(
    bundle: BundleArgument = None,
    sha256: Annotated[
        str | None,
        typer.Option(metavar="HASH", help="What bundle.json must have, 64 hexadecimal digits."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Verify that a bundle is whole, and print the hash that pins it.

    Every file that bundle.json lists is hashed, and engines are compared with their sidecars;
    nothing is run. What is printed is the SHA-256 of bundle.json, as sha256sum prints it: give it
    to Matcher(bundle, sha256=...), or to --sha256 wherever the bundle was copied to.

    Exit status: 0 whole, 1 damaged or another bundle than the pinned one, 2 no readable bundle.
    """
    pinned = None if sha256 is None else checked_hash(sha256)
    loaded = Bundle.load(bundle, check=False)
    problems = [*loaded.file_problems().values(), *engine_problems(loaded)]
    if pinned not in (None, loaded.sha256):
        problems.insert(
            0, f"{loaded.path / MANIFEST} does not have the SHA-256 {pinned}; it is another bundle"
        )
    record = {
        "bundle": str(loaded.path),
        "sha256": loaded.sha256,
        "files": len(loaded.spec.files),
        "problems": problems,
        "passed": not problems,
    }
    with while_read():
        print_line(json_line(record) if as_json else f"{loaded.sha256}  {loaded.path / MANIFEST}")
    if engines := len(sidecars(loaded.path)):
        tell(f"note: engines are not in {MANIFEST}, so its hash does not pin them: {engines}")
    for problem in problems:
        tell(f"failed: {problem}")
    raise typer.Exit(NOT_FOUND if problems else FOUND)
