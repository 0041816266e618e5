"""Doing the work of an evaluation in several processes of so many threads each."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from threading import Thread, current_thread, main_thread
from typing import Any

import cv2

from ..start import END

MOST_PROCESSES = 4
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def usual_processes() -> int:
    """One for each core, up to a limit."""
    return min(MOST_PROCESSES, os.cpu_count() or 1)


def threads_of_each(processes: int) -> int:
    """The cores that each of so many processes may have for itself."""
    return max(1, (os.cpu_count() or 1) // processes)


@contextmanager
def runner(processes: int, threads: int = 1) -> Iterator[Any]:
    """Yield what works like ``map``, over so many processes of so many threads each.

    Whoever leaves the block early, with an error or when asked to end, does not wait for them.
    """
    if processes == 1:
        before = cv2.getNumThreads()
        cv2.setNumThreads(threads)
        try:
            yield map
        finally:
            cv2.setNumThreads(before)
        return
    others = set(active_children())
    with _library_threads(threads):
        with undisturbed():
            pool = ProcessPoolExecutor(
                processes,
                mp_context=get_context("spawn"),
                initializer=_begin,
                initargs=(threads,),
            )

        def start(*work: Any) -> Any:
            with undisturbed():
                return pool.map(*work)

        try:
            yield start
        except BaseException:
            for worker in set(active_children()) - others:
                worker.kill()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let requests to end wait for the block, and for ever in the processes that it starts.

    A terminal sends Ctrl-C to all of them at once. Workers would die with a traceback each, and so
    would the process that counts the semaphores, which only knows of two such requests. A worker
    whose start is interrupted does not get what it is to do.
    """
    if not hasattr(signal, "pthread_sigmask") or current_thread() is not main_thread():
        yield
        return
    came: list[int] = []
    requests = {getattr(signal, name) for name in END}
    # Python handles what any thread gets, so that blocking alone keeps it from the others only.
    handlers = {each: signal.getsignal(each) for each in (*requests, signal.SIGALRM)}
    handlers = {each: handler for each, handler in handlers.items() if callable(handler)}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, requests)
    for each in handlers:
        signal.signal(each, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for each, handler in handlers.items():
            signal.signal(each, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for number in came:
            signal.raise_signal(number)


def _begin(threads: int) -> None:
    """Begin a worker, which ends when the process that started it does, however that ends."""
    cv2.setNumThreads(threads)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Wait until nobody wants the work of this process any more."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _library_threads(threads: int) -> Iterator[None]:
    """Keep the numerical libraries of processes started meanwhile to so many threads."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
