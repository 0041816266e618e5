"""A Python that behaves as if exactly some extras of the project were installed."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from absent_packages import without
from source_tree import ROOT


def project() -> dict[str, Any]:
    """The table ``project`` of ``pyproject.toml``."""
    # Python 3.10 has no tomllib, but pytest brings tomli there.
    toml = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    return toml.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def requirements(extras: Iterable[str]) -> list[str]:
    """What the project asks for with some extras; those that name others are followed."""
    table = project()
    optional: Mapping[str, list[str]] = table["optional-dependencies"]
    found, todo, seen = list(table["dependencies"]), list(extras), set[str]()
    while todo:
        extra = todo.pop()
        if extra in seen:
            continue
        seen.add(extra)
        for line in optional[extra]:
            own = re.fullmatch(r"qatm\[(.*)\]", line)
            todo.extend(own[1].split(",") if own else ())
            found.extend(() if own else [line])
    return found


def only_extras(extras: Iterable[str], folder: Path) -> str:
    """Hide every installed package that the extras do not bring, in processes with this path.

    Args:
        extras: of the project.
        folder: gets what is needed.

    Returns:
        The value for ``PYTHONPATH``.
    """
    kept = _closure(requirements(extras)) | {"qatm"}
    hidden = [
        module
        for module, owners in metadata.packages_distributions().items()
        if not kept & {_plain(owner) for owner in owners} and module not in sys.stdlib_module_names
    ]
    return without([name for name in hidden if name.isidentifier()], folder)


def _closure(lines: Iterable[str]) -> set[str]:
    """Names of packages, and of all that they ask for here, without their extras."""
    todo, seen = [_name(line) for line in lines], set[str]()
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            needed = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        todo.extend(_name(line) for line in needed if "extra ==" not in line)
    return seen


def _name(line: str) -> str:
    """The package that a requirement names."""
    found = re.match(r"[A-Za-z0-9._-]+", line)
    assert found, line
    return _plain(found[0])


def _plain(name: str) -> str:
    """As PEP 503 compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()
