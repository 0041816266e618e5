"""Damaged and odd input of every kind, for as long as asked; only refusals by name are allowed.

$ python tests/fuzz/fuzz.py 120             # seconds over all kinds
$ python tests/fuzz/fuzz.py 60 picture      # of one kind
$ python tests/fuzz/fuzz.py 9999 picture --most 100000       # until so many were tried
$ python tests/fuzz/fuzz.py 1 picture --seed 7 --only 1234   # one input again

Each kind has a process of its own, whose memory is limited. An input is drawn from the kind, the
seed and its number alone, so that what was found can be tried again. One JSON object a kind is
printed, its slowest input in seconds of the processor; exit status 1 says that something was found.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
os.environ.setdefault("QATM_MAX_GRAPH_BYTES", str(1 << 30))
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

from command_trials import Refused, command_trials
from file_trials import (
    Trial,
    array_trials,
    bench_trials,
    picture_trials,
    sidecar_trials,
    track_trials,
    video_trials,
)
from model_trials import (
    call_trials,
    graph_trials,
    manifest_trials,
    template_trials,
    tracker_trials,
)

from qatm.runtime import QatmError
from qatm.tools.lab.own_time import OwnTime

KINDS: dict[str, Callable[[Path], Trial]] = {
    "picture": picture_trials,
    "call": call_trials,
    "manifest": manifest_trials,
    "graph": graph_trials,
    "sidecar": sidecar_trials,
    "template": template_trials,
    "tracker": tracker_trials,
    "track": track_trials,
    "array": array_trials,
    "bench": bench_trials,
    "video": video_trials,
    "command": command_trials,
}
ADDRESS_BYTES = 8 << 30
"""Address space of a process: libraries reserve much more than they use."""

PEAK_MIB = 1536
"""Most resident memory of a process, the libraries among it."""

HANG_S = 60.0
"""After which an input has no end; what others take of the machine does not count."""

IN_MEMORY = Path("/dev/shm")
"""Where files are written that a disk would take longer for than what reads them."""

REFUSED = (QatmError, Refused)
SHOWN = 8


def peak_mib() -> int:
    """Most resident memory of this process so far, in MiB, by the kernel's account."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) >> 10 for line in status if line.startswith("VmHWM"))


def place_of(error: BaseException) -> str:
    """Type, words and place of an exception, for counting."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "site-packages" not in frame.filename]
    last = (ours or frames)[-1]
    words = " ".join(str(error).split())[:120]
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}: {words}"


def tried(trial: Trial, dice: Random) -> tuple[str, str]:
    """What became of one input: accepted, refused or raw, and of the latter what was raised."""
    try:
        trial(dice)
    except REFUSED as error:
        return ("raw", f"several lines: {error!r:.120}") if "\n" in str(error) else ("refused", "")
    except Exception as error:
        return "raw", place_of(error)
    return "accepted", ""


@dataclass(frozen=True)
class Asked:
    """How much of a kind is tried.

    Attributes:
        seconds: that it takes at most.
        seed: of the inputs.
        most: inputs, from ``first`` on.
        first: number of the first one.
    """

    seconds: float
    seed: int
    most: int = sys.maxsize
    first: int = 0


def work(kind: str, asked: Asked, at: Any, answers: Any) -> None:
    """Try inputs of a kind in this process, and send the counts."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_BYTES, ADDRESS_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("error")
    # What C libraries say of damaged files would bury the counts.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    counts, found, slowest = Counter[str](), dict[str, list[int]](), (0.0, 0)
    with tempfile.TemporaryDirectory(
        prefix="qatm-fuzz-", dir=IN_MEMORY if IN_MEMORY.is_dir() else None
    ) as name:
        trial = KINDS[kind](Path(name))
        end = time.perf_counter() + asked.seconds
        number = asked.first
        while time.perf_counter() < end and number - asked.first < asked.most:
            at.value = number
            began = time.process_time()
            what, problem = tried(trial, Random(f"{kind}-{asked.seed}-{number}"))
            slowest = max(slowest, (time.process_time() - began, number))
            counts[what] += 1
            if problem:
                found.setdefault(problem, []).append(number)
            number += 1
        os.chdir("/")
    answers.send(
        {
            "tried": sum(counts.values()),
            **{name: counts[name] for name in ("accepted", "refused", "raw")},
            "slowest_cpu_s": round(slowest[0], 2),
            "slowest": slowest[1],
            "peak_mib": peak_mib(),
            "found": {words: numbers[:SHOWN] for words, numbers in found.items()},
        }
    )


def run(kind: str, asked: Asked) -> dict[str, Any]:
    """Try a kind in a process of its own; one that dies or hangs is found, too."""
    context = multiprocessing.get_context("fork")
    at = context.Value("q", -1, lock=False)
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(kind, asked, at, theirs))
    process.start()
    theirs.close()
    row: dict[str, Any] = {}
    if ours.poll(asked.seconds) or OwnTime(process.pid or 0).until(HANG_S, ours.poll):
        try:
            row = ours.recv()
        except EOFError:
            process.join()
            row = {"raw": 1, "found": {f"process ended with {process.exitcode}": [at.value]}}
    else:
        process.kill()
        row = {"raw": 1, "found": {f"no end after {HANG_S:.0f} s": [at.value]}}
    process.join()
    return {"kind": kind, "seed": asked.seed, **row}


def passed(row: dict[str, Any]) -> bool:
    """Whether nothing was found."""
    return not row["raw"] and row.get("peak_mib", 0) <= PEAK_MIB


def main() -> None:
    reader = argparse.ArgumentParser(description="Damaged and odd input of every kind.")
    reader.add_argument("seconds", type=float, nargs="?", default=120.0)
    reader.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(KINDS)}")
    reader.add_argument("--seed", type=int, default=0)
    reader.add_argument("--most", type=int, default=sys.maxsize, help="inputs of each kind")
    reader.add_argument("--only", type=int, help="number of the one input to try")
    asked = reader.parse_args()
    kinds = asked.kinds or list(KINDS)
    if unknown := set(kinds) - set(KINDS):
        reader.error(f"unknown kind {', '.join(unknown)}")
    good = True
    for kind in kinds:
        most = asked.most if asked.only is None else 1
        row = run(kind, Asked(asked.seconds / len(kinds), asked.seed, most, asked.only or 0))
        sys.stdout.write(json.dumps(row) + "\n")
        sys.stdout.flush()
        good = good and passed(row)
    sys.exit(not good)


if __name__ == "__main__":
    main()
