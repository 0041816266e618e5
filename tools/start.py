"""Entry points of the commands: one line, not a traceback, where what they need is missing, or
where they are to end before they have begun."""

from __future__ import annotations

import os
import signal
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from importlib import import_module
from io import StringIO
from time import monotonic
from types import FrameType, ModuleType
from typing import Any

NEEDS = 'the commands of qatm need {}, which is not installed: pip install "qatm[cli]"'

CONSOLE_PACKAGES = ("typer", "rich", "click")
"""What reads and draws the command line; whoever embeds the runtime does without."""

WRONG_INPUT = 2


INTERRUPTED = 130

END = ("SIGINT", "SIGTERM", "SIGHUP")
"""Requests to end: of Ctrl-C, of whoever stops a service, and of a terminal that is closed."""

AGAIN_S = 0.05
"""How often it is looked whether a request is being obeyed."""

PATIENCE_S = 3.0
"""For how long a second request is ignored: the first one is still being obeyed."""


class Request(KeyboardInterrupt):
    """What a request to end raises; it can be told whether it is still on its way."""


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
    """Let requests to end interrupt the block as Ctrl-C does: files are completed or removed.

    Those that are ignored, as ``nohup`` has it, stay so. Whatever comes after the block ends the
    process without a word. See :class:`_Requests`.
    """
    open_streams()
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked = [getattr(signal, name) for name in END if hasattr(signal, name)]
    usual = (signal.SIG_DFL, signal.default_int_handler)
    asked = [each for each in asked if signal.getsignal(each) in usual]
    requests = _Requests()
    try:
        _set(asked, requests)
        if hasattr(os, "register_at_fork"):
            # Workers are ended by those who made them, and have nothing to complete.
            os.register_at_fork(after_in_child=lambda: _set(asked, signal.SIG_DFL))
        with requests.quiet():
            yield
    except KeyboardInterrupt:
        _complain("error: interrupted\n")
        sys.exit(INTERRUPTED)
    finally:
        requests.end()
        _set(asked, signal.SIG_DFL)


def open_streams() -> None:
    """Let standard streams that are closed lead nowhere: the work is done, and nothing printed.

    Their numbers are taken too, or the next file that is opened would have one, and get what
    libraries print. Standard input stays ``None``, which says that there is nothing to read.
    """
    streams = ("stdin", "stdout", "stderr")
    for number, name in enumerate(streams):
        if getattr(sys, name) is not None:
            continue
        handle = os.open(os.devnull, os.O_RDWR)
        if handle < len(streams):
            os.set_inheritable(handle, True)
        if number:
            setattr(sys, name, os.fdopen(handle, "w", encoding="utf-8", closefd=False))
        elif handle != number:
            os.close(handle)


class _Requests:
    """What handles requests to end: raises, and raises again where what it raised went nowhere.

    An exception out of a signal may come anywhere. In an import it would be taken for a broken
    library, so that it waits for the end of the import; one that came in a finaliser is dropped by
    Python, and raised again. While it is on its way to the end of the program, further requests
    are ignored, until one comes late enough to mean that it takes too long.
    """

    def __init__(self) -> None:
        self._since: float | None = None
        self._raised: weakref.ref[Request] | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        now = monotonic()
        alarm = number == getattr(signal, "SIGALRM", None)
        insisted = self._since is not None and not alarm and now - self._since > PATIENCE_S
        if self._since is None:
            self._since = now
            self._look_again()
        obeyed = self._raised is not None and self._raised() is not None
        if (obeyed or _importing(frame)) and not insisted:
            return
        request = Request()
        self._raised = weakref.ref(request)
        try:
            raise request
        finally:
            # Its traceback holds this frame, which would keep it alive.
            del request

    def _look_again(self) -> None:
        """Be called every now and then from here on."""
        if hasattr(signal, "setitimer"):
            signal.signal(signal.SIGALRM, self)
            signal.siginterrupt(signal.SIGALRM, False)
            signal.setitimer(signal.ITIMER_REAL, AGAIN_S, AGAIN_S)

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Say nothing of requests that Python drops."""
        usual = sys.unraisablehook

        def tell(dropped: Any) -> None:
            if not issubclass(dropped.exc_type, Request):
                usual(dropped)

        sys.unraisablehook = tell
        try:
            yield
        finally:
            sys.unraisablehook = usual

    def end(self) -> None:
        """Look no more."""
        if self._since is not None and hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)


def _importing(frame: FrameType | None) -> bool:
    """Whether a module is being imported."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib._bootstrap"):
            return True
        frame = frame.f_back
    return False


def _set(signals: list[signal.Signals], action: Any) -> None:
    """What is done about signals."""
    for each in signals:
        signal.signal(each, action)


def _import(module: str) -> ModuleType:
    """A module of this package, or one line on stderr and the end."""
    said = StringIO()
    try:
        # What libraries write while they fail is said again in one line, with the cure.
        with redirect_stderr(said):
            found = import_module(module, __package__)
    except (ImportError, AttributeError) as error:
        problem = _problem(error)
        if problem is None:
            _complain(said.getvalue())
            raise
    else:
        _complain(said.getvalue())
        return found
    _complain(f"error: {problem}\n")
    sys.exit(WRONG_INPUT)


def _complain(text: str) -> None:
    """Write to stderr, if that can be written; the exit status says as much."""
    with suppress(OSError):
        sys.stderr.write(text)


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
