"""The threads of a test worker's libraries: each worker has its share of the cores."""

from __future__ import annotations

import importlib.util
import os

VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENCV_FOR_THREADS_NUM",
)
"""Read by PyTorch, SciPy, numpy and OpenCV when they start; child processes inherit them."""


def threads_per_worker() -> int | None:
    """This worker's share of the cores; ``None`` where tests run in one process."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if "PYTEST_XDIST_WORKER" not in os.environ or workers < 2:
        return None
    return max(1, (os.cpu_count() or 1) // workers)


def limit_threads(count: int) -> None:
    """Let each library use ``count`` threads where nothing else is asked for.

    It has to run before the libraries are imported; a variable that is already set stays.
    """
    for name in VARIABLES:
        os.environ.setdefault(name, str(count))
    if importlib.util.find_spec("onnxruntime"):
        _limit_onnxruntime(count)


def _limit_onnxruntime(count: int) -> None:
    # ONNX Runtime reads no variable. It counts the machine's cores whatever the process's affinity
    # is, and pins its threads to them, so that pinning a worker to a core does not hold them
    # either. What is left is the default of the options that every session is made with; a session
    # that asks for a number of threads still gets it.
    import onnxruntime

    class WorkerOptions(onnxruntime.SessionOptions):
        def __init__(self) -> None:
            super().__init__()
            self.intra_op_num_threads = count

    onnxruntime.SessionOptions = WorkerOptions
