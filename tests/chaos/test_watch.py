from typing import cast

import pytest

from tests.chaos.stage import Stage
from tests.chaos.watch import Look, Watch

BUSY, IDLE = frozenset({"TIMESM"}), frozenset[str]()


def watch(*looks: tuple[float, int, frozenset[str]]) -> Watch:
    made = Watch(cast("Stage", None))
    made.looks = [Look(*look) for look in looks]
    return made


def gap_s(seen: Watch, sent_s: list[float]) -> float:
    return seen.longest_gap_s("TIMESM", sent_s, begin_s=0, end_s=100)


def test_a_gap_is_as_long_as_something_could_have_been_sent() -> None:
    seen = watch(*((at / 2, 0, BUSY) for at in range(20)))
    assert gap_s(seen, [1.2, 6.2]) == pytest.approx(4.5)


def test_a_gap_does_not_grow_while_nothing_could_have_been_sent() -> None:
    seen = watch(*((at / 2, 0, IDLE if 2 <= at / 2 < 5 else BUSY) for at in range(13)))
    assert gap_s(seen, [1.2]) == pytest.approx(1.5)


def test_what_nobody_saw_is_no_gap() -> None:
    assert gap_s(watch((1, 0, BUSY), (9, 0, BUSY), (9.5, 0, BUSY)), []) == pytest.approx(0.5)


def test_the_fewest_are_counted_only_when_redis_answered() -> None:
    seen = watch((1, 70, BUSY), (2, -1, IDLE), (3, 40, BUSY), (4, 0, BUSY))
    assert seen.fewest_sending(1, 4) == 40
    assert seen.fewest_sending(1.5, 2.5) == 0
