"""Doing the work of an evaluation in several processes of so many threads each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

import cv2

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
    """Yield what works like ``map``, over so many processes of so many threads each."""
    if processes == 1:
        before = cv2.getNumThreads()
        cv2.setNumThreads(threads)
        try:
            yield map
        finally:
            cv2.setNumThreads(before)
        return
    with _library_threads(threads):
        pool = ProcessPoolExecutor(
            processes,
            mp_context=get_context("spawn"),
            initializer=cv2.setNumThreads,
            initargs=(threads,),
        )
        try:
            yield pool.map
        finally:
            pool.shutdown(cancel_futures=True)


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
