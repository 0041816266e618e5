"""Where result pictures go, and writing them completely or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from ...runtime.errors import ImageError, InputError
from ...runtime.files import check_folder, write_bytes
from ...runtime.images import Image
from ..destinations import check_unprinted, which_file

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")


def plan_pictures(
    save: Path | None, files: Sequence[Path], inputs: Sequence[Path], option: str = "--save"
) -> list[Path | None]:
    """Where the picture of each image goes, after making sure that it can be written there.

    Raises:
        InputError: the name fits no picture or folder, would overwrite an input, or the folder
            cannot be written to.
    """
    if save is None:
        return [None] * len(files)
    if save.suffix.lower() in PICTURE_SUFFIXES and not save.is_dir():
        if len(files) > 1:
            raise InputError(
                f"{option} {save} names one picture, but there are {len(files)} images; "
                "name a folder"
            )
        targets, folder = [save] * len(files), save.parent
    elif save.suffix and not save.exists():
        raise InputError(
            f"{option} {save} must end in {', '.join(PICTURE_SUFFIXES)} or be an existing folder"
        )
    else:
        targets, folder = _names_in(save, files), save
    taken = {which_file(path) for path in (*files, *inputs)}
    for target in targets:
        check_unprinted(option, target)
        if which_file(target) in taken:
            raise InputError(f"{option} {target} would overwrite an input; choose another name")
    check_folder(folder, f"{option} {save}", make=True)
    return list(targets)


def save_picture(path: Path, image: Image) -> None:
    """Write a PNG or JPEG whole or not at all.

    Raises:
        InputError: the name does not end in .png, .jpg or .jpeg.
        ImageError: the picture is too large for the format.
        OSError: the file cannot be written; the message names it.
    """
    if path.suffix.lower() not in PICTURE_SUFFIXES:
        raise InputError(f"picture {path} must end in {', '.join(PICTURE_SUFFIXES)}")
    write_bytes(path, _encoded(path, image))


def _encoded(path: Path, image: Image) -> bytes:
    """The bytes of a picture file; OpenCV reports a failure in one of two ways."""
    try:
        done, data = cv2.imencode(path.suffix.lower(), image)
    except cv2.error:
        done, data = False, np.empty(0, np.uint8)
    if not done:
        size = f"{image.shape[1]}x{image.shape[0]}"
        raise ImageError(f"{path}: a picture of {size} px does not fit this format; use .png")
    return data.tobytes()


def _names_in(folder: Path, files: Sequence[Path]) -> list[Path]:
    """One picture name per image, none twice."""
    names: list[str] = []
    counts: Counter[str] = Counter()
    for file in files:
        key = file.stem.lower()
        counts[key] += 1
        number = f"-{counts[key]}" if counts[key] > 1 else ""
        names.append(f"{file.stem}-match{number}.png")
    return [folder / name for name in names]
