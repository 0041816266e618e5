"""Picture files as a source of frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..images import read_values


class PictureReader:
    """A reader on picture files; the attributes are those of :class:`.sources.Reader`."""

    def __init__(self, files: Sequence[Path], name: str) -> None:
        self.name = name
        self.fps: float | None = None
        self.count: int | None = len(files)
        self.endless = False
        self.damaged = 0
        self._files = iter(files)

    def read(self) -> NDArray[Any] | None:
        """The next picture, in the type that its file stores; ``None`` at the end.

        Raises:
            ImageError: the picture cannot be read; the message names the file.
        """
        file = next(self._files, None)
        return None if file is None else read_values(file)

    def skip(self) -> bool:
        """Pass over a picture without reading it; whether there was one."""
        return next(self._files, None) is not None

    def position(self) -> float | None:
        """Pictures have no time stamps."""
        return None

    def close(self) -> None:
        """Forget the files."""
        self._files = iter(())
