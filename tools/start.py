"""Entry points of the commands: one line, not a traceback, where what they need is missing, or
where they are to end before they have begun."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from importlib import import_module
from io import StringIO
from types import ModuleType
from typing import Any

NEEDS = 'the commands of qatm need {}, which is not installed: pip install "qatm[cli]"'

CONSOLE_PACKAGES = ("typer", "rich", "click")
"""What reads and draws the command line; whoever embeds the runtime does without."""

WRONG_INPUT = 2


INTERRUPTED = 130

END = ("SIGTERM", "SIGHUP")
"""Requests to end: of whoever stops a service, and of a terminal that is closed."""


def qatm() -> None:
    """Entry point of the console script ``qatm``."""
    with ending_cleanly():
        if sys.argv[1:2] == ["doctor"]:
            # It must come to its diagnosis where nothing else can even be imported.
            _import(".commands.doctor").alone()
        _import(".cli").main()


def qatm_export() -> None:
    """Entry point of the console script ``qatm-export``."""
    with ending_cleanly():
        _import(".commands.export").main()


@contextmanager
def ending_cleanly() -> Iterator[None]:
    """Let requests to end do inside the block what Ctrl-C does: files are completed or removed.

    Those that are ignored, as ``nohup`` has it, stay so, and those that come while the first is
    obeyed are ignored. Whatever comes after the block ends the process without a word.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked = [getattr(signal, name) for name in END if hasattr(signal, name)]
    asked = [each for each in asked if signal.getsignal(each) == signal.SIG_DFL]

    def end(*_: object) -> None:
        _set(asked, signal.SIG_IGN)
        raise KeyboardInterrupt

    try:
        _set(asked, end)
        if hasattr(os, "register_at_fork"):
            # Workers are ended by those who made them, and have nothing to complete.
            os.register_at_fork(after_in_child=lambda: _set(asked, signal.SIG_DFL))
        yield
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted\n")
        sys.exit(INTERRUPTED)
    finally:
        python = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        _set([*asked, *([signal.SIGINT] if python else [])], signal.SIG_DFL)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let requests to end wait for the block: what an import calls back would swallow them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    waiting = {signal.SIGINT, *(getattr(signal, name) for name in END)}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, waiting)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _set(signals: list[signal.Signals], action: Any) -> None:
    """What is done about signals."""
    for each in signals:
        signal.signal(each, action)


def _import(module: str) -> ModuleType:
    """A module of this package, or one line on stderr and the end."""
    said = StringIO()
    try:
        # What libraries write while they fail is said again in one line, with the cure.
        with undisturbed(), redirect_stderr(said):
            found = import_module(module, __package__)
    except (ImportError, AttributeError) as error:
        problem = _problem(error)
        if problem is None:
            sys.stderr.write(said.getvalue())
            raise
    else:
        sys.stderr.write(said.getvalue())
        return found
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
