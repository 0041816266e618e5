"""Entry points of the commands: one line, not a traceback, where what they need is missing."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

NEEDS = 'the commands of qatm need {}, which is not installed: pip install "qatm[cli]"'

CONSOLE_PACKAGES = ("typer", "rich", "click")
"""What reads and draws the command line; whoever embeds the runtime does without."""

WRONG_INPUT = 2


def qatm() -> None:
    """Entry point of the console script ``qatm``."""
    if sys.argv[1:2] == ["doctor"]:
        # It must come to its diagnosis where nothing else can even be imported.
        _import(".commands.doctor").alone()
    _import(".cli").main()


def qatm_export() -> None:
    """Entry point of the console script ``qatm-export``."""
    _import(".commands.export").main()


def _import(module: str) -> ModuleType:
    """A module of this package, or one line on stderr and the end."""
    try:
        return import_module(module, __package__)
    except (ImportError, AttributeError) as error:
        problem = _problem(error)
        if problem is None:
            raise
    sys.stderr.write(f"error: {problem}\n")
    sys.exit(WRONG_INPUT)


def _problem(error: Exception) -> str | None:
    """What is missing, and the cure; ``None`` for a defect in the program."""
    if isinstance(error, ModuleNotFoundError) and error.name in CONSOLE_PACKAGES:
        return NEEDS.format(error.name)
    try:
        import numpy  # noqa: F401
    except Exception as broken:  # an installation can be broken in many ways
        return f"numpy cannot be loaded ({broken}): pip install --force-reinstall numpy"
    from ..runtime.opencv import opencv_problem

    return opencv_problem()
