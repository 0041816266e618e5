"""The clock that stands still while a process waits for a processor."""

from __future__ import annotations

import os
import time

import pytest

from qatm.tools.lab import own_time
from qatm.tools.lab.own_time import OwnTime, waited_s


def test_what_others_took_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    waited, now = [5.0], [100.0]
    monkeypatch.setattr(own_time, "waited_s", lambda _: waited[0])
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    clock = OwnTime(1)
    now[0], waited[0] = 110.0, 12.0
    assert clock.seconds == 3.0
    # It has ended: nothing is known of it any more.
    now[0], waited[0] = 111.0, 0.0
    assert clock.seconds == 4.0


def test_it_is_waited_until_something_happens_or_the_time_is_had(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited, now = [0.0], [0.0]
    monkeypatch.setattr(own_time, "waited_s", lambda _: waited[0])
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def starved(most: float) -> bool:
        now[0] += most
        waited[0] += most * 0.75
        return False

    assert not OwnTime(1).until(10.0, starved)
    assert now[0] == pytest.approx(40.0, abs=0.1)
    assert OwnTime(1).until(10.0, lambda _: True)
    assert OwnTime(1).until(0.0, lambda _: True)


@pytest.mark.skipif(not os.path.exists("/proc/self/schedstat"), reason="no account is kept")
def test_the_kernel_says_how_long_a_process_waited() -> None:
    first = waited_s(os.getpid())
    assert 0 <= first <= waited_s(os.getpid())
    assert waited_s(1 << 30) == 0.0
