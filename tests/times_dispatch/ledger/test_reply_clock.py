import pytest

from times_dispatch.ledger.reply_clock import ReplyClock

EPOCH = 1_790_000_000.0
"""The ledger's time when the monotonic clock shows 0."""


def moment(clock: ReplyClock, written_at: float, *, asked_at: float, replied_at: float) -> float:
    return clock.moment(EPOCH + written_at, asked_at=asked_at, replied_at=replied_at)


def test_without_the_time_of_the_ledger_a_reply_is_as_old_as_its_arrival() -> None:
    assert ReplyClock().moment(0.0, asked_at=1.0, replied_at=1.2) == 1.2


def test_a_reply_that_waited_for_the_process_is_older_than_its_arrival() -> None:
    clock = ReplyClock()
    assert moment(clock, 1.001, asked_at=1.0, replied_at=1.002) == pytest.approx(1.002)
    assert moment(clock, 2.001, asked_at=2.0, replied_at=2.08) == pytest.approx(2.002, abs=1e-6)


def test_a_clock_that_was_set_back_never_makes_a_reply_older_than_its_question() -> None:
    clock = ReplyClock()
    moment(clock, 1.001, asked_at=1.0, replied_at=1.002)
    assert moment(clock, 2.001 - 60, asked_at=2.0, replied_at=2.002) == 2.0


def test_a_clock_that_was_set_forward_is_believed_at_once() -> None:
    clock = ReplyClock()
    moment(clock, 1.001, asked_at=1.0, replied_at=1.002)
    assert moment(clock, 2.001 + 60, asked_at=2.0, replied_at=2.002) == pytest.approx(2.002, abs=1e-6)


@pytest.mark.parametrize("later_s", [4.0, 4_000.0])
def test_the_quickest_reply_counts_however_long_the_others_are_slow(later_s: float) -> None:
    clock = ReplyClock()
    moment(clock, 1.001, asked_at=1.0, replied_at=1.002)
    at = 1.0 + later_s
    assert moment(clock, at + 0.001, asked_at=at, replied_at=at + 0.5) == pytest.approx(at + 0.002, abs=1e-6)


def test_a_clock_that_was_set_back_is_believed_from_the_first_reply_on() -> None:
    clock = ReplyClock()
    moment(clock, 1.001, asked_at=1.0, replied_at=1.002)
    moment(clock, 2.001 - 60, asked_at=2.0, replied_at=2.002)
    assert moment(clock, 3.001 - 60, asked_at=3.0, replied_at=3.5) == pytest.approx(3.0, abs=1e-6)
