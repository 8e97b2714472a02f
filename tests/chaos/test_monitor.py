from typing import cast

import pytest

from tests.chaos.monitor import Monitor, MonitorSample
from tests.chaos.testbed import ChaosTestbed

BUSY, IDLE = frozenset({"TIMESM"}), frozenset[str]()


def sampled(*samples: tuple[float, frozenset[str]]) -> Monitor:
    monitor = Monitor(cast("ChaosTestbed", None))
    monitor.samples = [MonitorSample(*sample) for sample in samples]
    return monitor


def gap_s(monitor: Monitor, sent_s: list[float]) -> float:
    return monitor.max_gap_s("TIMESM", sent_s, begin_s=0, end_s=100)


def test_a_gap_is_as_long_as_the_sender_could_have_sent() -> None:
    monitor = sampled(*((at / 2, BUSY) for at in range(20)))
    assert gap_s(monitor, [1.2, 6.2]) == pytest.approx(4.5)


def test_a_gap_does_not_grow_while_the_sender_could_not_send() -> None:
    monitor = sampled(*((at / 2, IDLE if 2 <= at / 2 < 5 else BUSY) for at in range(13)))
    assert gap_s(monitor, [1.2]) == pytest.approx(1.5)


def test_the_monitor_knows_the_share_of_time_that_it_sampled() -> None:
    assert sampled((1, BUSY), (9, BUSY), (9.5, BUSY), (10, IDLE)).seen(begin_s=0, end_s=100) == pytest.approx(1 / 9)
    assert sampled().seen(begin_s=0, end_s=100) == 0


def test_time_without_samples_is_no_gap() -> None:
    assert gap_s(sampled((1, BUSY), (9, BUSY), (9.5, BUSY)), []) == pytest.approx(0.5)
