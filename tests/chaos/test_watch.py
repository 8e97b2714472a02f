from typing import cast

import pytest

from tests.chaos.stage import Stage
from tests.chaos.watch import Look, Watch

BUSY, IDLE = frozenset({"TIMESM"}), frozenset[str]()


def watch(*looks: tuple[float, frozenset[str]]) -> Watch:
    made = Watch(cast("Stage", None))
    made.looks = [Look(*look) for look in looks]
    return made


def gap_s(seen: Watch, sent_s: list[float]) -> float:
    return seen.longest_gap_s("TIMESM", sent_s, begin_s=0, end_s=100)


def test_a_gap_is_as_long_as_something_could_have_been_sent() -> None:
    seen = watch(*((at / 2, BUSY) for at in range(20)))
    assert gap_s(seen, [1.2, 6.2]) == pytest.approx(4.5)


def test_a_gap_does_not_grow_while_nothing_could_have_been_sent() -> None:
    seen = watch(*((at / 2, IDLE if 2 <= at / 2 < 5 else BUSY) for at in range(13)))
    assert gap_s(seen, [1.2]) == pytest.approx(1.5)


def test_the_watch_knows_how_much_it_saw() -> None:
    assert watch((1, BUSY), (9, BUSY), (9.5, BUSY), (10, IDLE)).seen(begin_s=0, end_s=100) == pytest.approx(1 / 9)
    assert watch().seen(begin_s=0, end_s=100) == 0


def test_what_nobody_saw_is_no_gap() -> None:
    assert gap_s(watch((1, BUSY), (9, BUSY), (9.5, BUSY)), []) == pytest.approx(0.5)
