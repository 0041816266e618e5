"""Writes a pack: a bundle's folder with what one target needs, whole or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from ...runtime.bundle.folder import MANIFEST, Bundle
from ...runtime.bundle.sidecar import sidecar_of
from ...runtime.errors import BundleError, InputError
from ...runtime.files import write_text
from ...runtime.whole_folder import whole_folder
from ..destinations import real_place
from ..drawing.saving import save_picture
from .instructions import README, instructions
from .self_test import FILE, FOLDER, AnswerCheck, SelfTest, ask, pictures_of
from .self_test_pictures import make_pictures
from .targets import Target, pick

BELIEVED = "cpu", "fp32"
"""Device and precision whose answer every other one is held against."""


@dataclass(frozen=True)
class Packed:
    """A pack that was written.

    Attributes:
        bundle: it, loaded and checked.
        verdicts: of its self-test on this machine's CPU.
    """

    bundle: Bundle
    verdicts: tuple[AnswerCheck, ...]


def pack(bundle: Bundle, target: Target, out: Path, *, force: bool = False) -> Packed:
    """Write what a target needs of a bundle, with instructions and a self-test.

    Args:
        bundle: to take files from.
        target: for what.
        out: folder to write; it must be new or empty.
        force: replace an earlier pack.

    Raises:
        InputError: the folder holds something, or lies in the bundle.
        BundleError: a file is damaged or called as one of the pack's own, the target needs what the
            bundle lacks, or the pack does not pass its own test here.
        DeviceError: ONNX Runtime, which gives the expected answer, is not installed.
        OSError: the folder cannot be written.
    """
    check_out(bundle, out, force=force)
    picked = pick(bundle, target)
    _check_names(bundle, picked.files)
    pictures = make_pictures()
    test = SelfTest(target.name, target.devices, ask(bundle, pictures, *BELIEVED), out / FOLDER)
    with whole_folder(out) as part:
        for name, info in picked.files.items():
            shutil.copyfile(bundle.file(info.role, info.precision), part / name)
        for engine in picked.engines:
            for file in (engine.path, sidecar_of(engine.path)):
                shutil.copyfile(file, part / file.name)
        spec = replace(bundle.spec, files=picked.files)
        write_text(part / MANIFEST, json.dumps(spec.to_json(), indent=2) + "\n")
        (part / FOLDER).mkdir()
        for name, picture in pictures_of(pictures).items():
            save_picture(part / FOLDER / name, picture)
        write_text(part / FOLDER / FILE, json.dumps(test.to_json(), indent=2) + "\n")
        write_text(part / README, instructions(spec, target, picked, part))
        packed = Bundle.load(part)
        verdicts = tuple(replace(test, folder=part / FOLDER).run(packed, ("cpu",)))
        for verdict in verdicts:
            if not verdict.passed:
                raise BundleError(
                    f"bundle {bundle.path} does not pass the self-test at {verdict.precision}: "
                    f"{verdict.what} {verdict.detail}; export it again"
                )
    return Packed(Bundle.load(out), verdicts)


def _check_names(bundle: Bundle, names: Iterable[str]) -> None:
    """Refuse files that would lie where a pack has its own, on any file system."""
    for name in names:
        if name.casefold() in (README.casefold(), FOLDER):
            raise BundleError(
                f"file {name} of bundle {bundle.path} has the name of a file of packs; "
                "export it again"
            )


def check_out(bundle: Bundle, out: Path, *, force: bool) -> None:
    """Refuse a folder that holds something else than an earlier pack.

    Raises:
        InputError: it does, or there is a pack and no ``--force``.
    """
    if real_place(out).is_relative_to(real_place(bundle.path)):
        raise InputError(f"OUT {out} lies in the bundle {bundle.path}; choose another folder")
    if out.exists() and not out.is_dir():
        raise InputError(f"OUT {out} is a file; give a folder to write")
    if not out.exists() or not any(out.iterdir()):
        return
    if not (out / FOLDER / FILE).is_file():
        raise InputError(f"OUT {out} holds other things; give a new or empty folder")
    if not force:
        raise InputError(f"OUT {out} holds an earlier pack; add --force to replace it")
