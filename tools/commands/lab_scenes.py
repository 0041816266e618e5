"""``qatm lab scenes``: look at generated scenes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from ...runtime.errors import InputError
from ..console import print_line, progress, while_read
from ..destinations import check_new_file
from ..drawing.saving import PICTURE_SUFFIXES, save_picture


def scenes(
    domain: Annotated[
        str,
        typer.Argument(
            metavar="DOMAIN",
            help="screen, letters, drawing, parts, texture, plates or photo.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The sheet: .png or .jpg.")],
    *,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Seed of the first scene.")] = 0,
    count: Annotated[int, typer.Option(metavar="N", min=1, help="Scenes on the sheet.")] = 12,
    fonts: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Type faces, .ttf or .otf. Default: those that are installed."
        ),
    ] = None,
    photographs: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Photographs, for photo. Default: those that scikit-image carries.",
        ),
    ] = None,
) -> None:
    """Draw a sheet of generated scenes, with what is true in them.

    The object is framed in blue in the picture that shows it, its copies in green in the one in
    which it is looked for, near-duplicates in red. The same seed and the same type faces give the
    same scene; the last line says which faces they were.

    Exit status: 0 drawn, 2 wrong usage or the sheet cannot be written.
    """
    from ..scenes.fonts import fonts_in, installed_fonts
    from ..scenes.generate import scene
    from ..scenes.photo_scenes import photographs_in
    from ..scenes.scene_sheet import scene_sheet

    check_new_file("--out", out, PICTURE_SUFFIXES)
    faces = fonts_in(fonts) if fonts else installed_fonts()
    if photographs and domain != "photo":
        raise InputError(f"--photographs has no effect on {domain}; it belongs to photo")
    photos = photographs_in(photographs) if photographs else None
    seeds = range(seed, seed + count)
    with progress() as bar:
        drawn = [scene(domain, number, faces, photos) for number in bar.each(seeds, domain)]
    out.parent.mkdir(parents=True, exist_ok=True)
    save_picture(out, scene_sheet(drawn, [str(number) for number in seeds]))
    kinds = Counter(one.presence for one in drawn)
    with while_read():
        for presence, number in sorted(kinds.items()):
            print_line(f"{presence:<8} {number:>4}")
        print_line(f"{len(faces)} type faces, set {faces.digest}; sheet {out}")
