"""Print what pip shall install to try the oldest or the newest versions that the project allows.

``python .ci/bounds.py oldest standard demo`` prints the requirements of those extras with every
lower bound as the version; with ``newest`` they stay as they are, for pip's ``--upgrade``.
"""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

WITHOUT_WHEELS = (3, 12)
"""The first Python for which numpy, at its lower bound, has no wheels."""


def requirements(project: dict[str, Any], extras: list[str]) -> list[str]:
    """Requirements of the project with some extras; those that name others are followed."""
    found: list[str] = [*project["dependencies"]]
    for extra in extras:
        for line in project["optional-dependencies"][extra]:
            own = re.fullmatch(r"qatm\[(.*)\]", line)
            found += requirements(project, own[1].split(",")) if own else [line]
    return list(dict.fromkeys(found))


def oldest(line: str) -> str:
    """The requirement with its lower bound as the version."""
    found = re.fullmatch(r"([\w.-]+(?:\[[\w,-]+\])?)>=([\d.]+)(,<.*)?", line)
    if found is None:
        raise SystemExit(f"error: {line!r} has no lower bound; write NAME>=VERSION")
    return f"{found[1]}=={found[2]}"


def main() -> None:
    """Print one requirement a line."""
    # Python 3.10 has no tomllib; pip carries tomli.
    old = sys.version_info < (3, 11)
    toml = import_module("pip._vendor.tomli" if old else "tomllib")
    which, *extras = sys.argv[1:]
    if which == "oldest" and sys.version_info >= WITHOUT_WHEELS:
        raise SystemExit(
            "error: the oldest versions have no wheels for Python {}.{}; ".format(*sys.version_info)
            + "try them with 3.10 or 3.11: make test-oldest PYTHON=python3.10"
        )
    project = toml.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for line in requirements(project, extras):
        print(oldest(line) if which == "oldest" else line)


if __name__ == "__main__":
    main()
