"""What the README of a pack says: what is in it, and what to do on the target."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ...runtime.bundle.manifest import BundleSpec
from ...runtime.bundle.sidecar import SIDECAR_SUFFIX
from ...runtime.version import __version__
from .self_test import FOLDER
from .targets import Picked, Target

README = "README.txt"


def instructions(spec: BundleSpec, target: Target, picked: Picked, folder: Path) -> str:
    """The text of ``README.txt``.

    Args:
        spec: manifest of the pack.
        target: what it is for.
        picked: what is in it.
        folder: with the files.
    """
    return "\n".join(_lines(spec, target, picked, folder)) + "\n"


def _lines(spec: BundleSpec, target: Target, picked: Picked, folder: Path) -> Iterator[str]:
    """Line by line."""
    title = f"A qatm bundle for {target.title}"
    yield from (title, "=" * len(title), "")
    yield f"Network {spec.backbone.label}, for the task {spec.task}; packed by qatm {__version__}."
    versions = picked.versions
    if versions:
        targets = sorted({sm for engine in picked.engines for sm in engine.sm})
        yield (
            f"Its engines were built by {target.flavour} {', '.join(versions)} for "
            f"{', '.join(f'SM {sm}' for sm in targets)}, and run with no other version."
        )
    yield from ("", "What to do there, in this folder:", "")
    yield from _commands("1. Install.", target.install, versions)
    number = 2
    if target.steps and not versions:
        yield from _commands(
            "2. Build the engines, which run only where they are built.", target.steps
        )
        number = 3
    yield from _commands(
        f"{number}. Check: hashes, arithmetic, and the pictures in {FOLDER}/ with their known "
        "answer.",
        ("qatm check .",),
    )
    yield '   It ends with "passed" and exit status 0, or says what is wrong. If something is'
    yield "   missing on the machine, this says what and how to get it:"
    yield from ("", "   qatm doctor --model .", "")
    yield from _commands(f"{number + 1}. Use it.", target.use)
    if target.name != "web":
        yield "   In Python:"
        yield ""
        yield "   from qatm import runtime"
        yield f'   matcher = runtime.Matcher("path/of/this/folder", device="{target.devices[0]}")'
        yield ""
    yield "What is in it:"
    yield ""
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.endswith(SIDECAR_SUFFIX):
            yield f"   {path.name:<50} {path.stat().st_size / 1e6:8.3f} MB"
    yield ""
    yield "bundle.json has the SHA-256 of every ONNX file, NAME.engine.json that of its engine."


def _commands(
    title: str, commands: tuple[str, ...], versions: list[str] | None = None
) -> Iterator[str]:
    """A step and its commands."""
    yield f"{title}"
    yield ""
    for command in commands:
        yield "   " + command.replace("{version}", (versions or [""])[-1])
    yield ""
