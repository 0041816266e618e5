"""A Python that behaves as if some packages were not installed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

CODE = """
import sys
from importlib.machinery import PathFinder

ABSENT = {names!r}


class Finder(PathFinder):
    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        if fullname.split(".")[0] in ABSENT:
            return None
        return super().find_spec(fullname, path, target)


sys.meta_path = [Finder if one is PathFinder else one for one in sys.meta_path]
"""


def without(names: Sequence[str], folder: Path) -> str:
    """Make packages impossible to find in processes that have the folder on their PYTHONPATH.

    Args:
        names: of the packages' modules.
        folder: gets a ``sitecustomize.py``.

    Returns:
        The value for ``PYTHONPATH``.
    """
    (folder / "sitecustomize.py").write_text(CODE.format(names=tuple(names)), encoding="utf-8")
    return str(folder)
