"""Records as ``qatm bench`` makes them."""

from __future__ import annotations

from qatm.tools.evaluation.speed.benchmark import MEANINGS, comparison
from qatm.tools.evaluation.speed.measuring import Measurement

COMPARISON_KEYS = {"name", "ours_ms", "other_ms", "speedup", "ours_peak_mb", "other_peak_mb"}
SCALING_KEYS = {"name", "height", "width", "templates", "ms", "peak_mb"}


def some_records(memory: float | None = 100.0) -> list[dict]:
    alone = Measurement(3.0, memory, memory)
    records = [comparison(name, ([1.0, 2.0, 9.0], [40.0]), (alone, alone)) for name in MEANINGS]
    records[2]["outside_percent"] = 7.5
    for width, height, templates in ((320, 240, 1), (640, 480, 1), (640, 480, 2)):
        records.append(
            {
                "name": "scaling",
                "height": height,
                "width": width,
                "templates": templates,
                "template": 64,
                "ms": 3.0,
                "peak_mb": memory,
                "growth_mb": memory,
            }
        )
    return records
