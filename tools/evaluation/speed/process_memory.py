"""What this process holds in memory, by the kernel's account.

Only the standard library is imported, so that a process that measures what an import costs can
use it first.
"""

from __future__ import annotations

from pathlib import Path

NOW = "VmRSS"
LARGEST = "VmHWM"


def memory_mb(field: str) -> float | None:
    """Resident memory of this process in MiB: :data:`NOW`, or at its :data:`LARGEST`.

    The kernel's own figures, because the ``ru_maxrss`` of a child process starts from what its
    parent held. ``None`` where there is no ``/proc``.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return round(int(lines[field].split()[0]) / 1024, 1)


def grown_mb(before: float | None, after: float | None) -> float | None:
    """MiB between two figures, or ``None`` where one could not be had."""
    return None if before is None or after is None else round(after - before, 1)
