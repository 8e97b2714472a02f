"""Which messages count as late, by the clocks of the ledger and of the process."""

import pytest

from tests.kit.clock import FakeClock
from workers.batch.spacing import LedgerClock, RecentMinimum, SenderSpacing

LEDGER_S = 1_790_000_000.0


def test_the_recent_minimum_forgets_what_is_older_than_two_periods() -> None:
    recent = RecentMinimum()
    assert recent.note(3.0, 10.0) == 3.0
    assert recent.note(5.0, 10.5) == 3.0
    assert recent.note(5.0, 11.5) == 3.0
    assert recent.note(5.0, 12.0) == 5.0
    assert recent.note(7.0, 19.0) == 7.0


def test_a_reply_that_came_late_does_not_move_the_time_of_the_opening() -> None:
    clock = LedgerClock()
    assert clock.opened_at(LEDGER_S, replied_at=100.0) == pytest.approx(100.0)
    assert clock.opened_at(LEDGER_S + 0.1, replied_at=100.2) == pytest.approx(100.1)


@pytest.mark.parametrize("jump_s", [-600.0, 600.0])
def test_a_jump_of_the_ledgers_clock_is_forgotten(jump_s: float) -> None:
    clock = LedgerClock()
    clock.opened_at(LEDGER_S, replied_at=100.0)
    clock.opened_at(LEDGER_S + 2 + jump_s, replied_at=102.0)
    assert clock.opened_at(LEDGER_S + 3 + jump_s, replied_at=103.0) == pytest.approx(103.0)


@pytest.mark.parametrize(
    ("interval_s", "delay_s", "late"),
    [(0.01, 0.034, False), (0.01, 0.036, True), (0.1, 0.09, False), (0.1, 0.11, True)],
)
def test_a_push_is_late_after_35_ms_or_after_a_whole_slot(interval_s: float, delay_s: float, late: bool) -> None:
    spacing = SenderSpacing(FakeClock())
    spacing.is_late(99.5, interval_s, 99.5)
    assert spacing.is_late(100.0, interval_s, 100.0 + delay_s) is late


def test_a_process_that_is_always_late_is_on_time() -> None:
    spacing = SenderSpacing(FakeClock())
    late = [spacing.is_late(slot, 0.01, slot + 0.1) for slot in (100.0, 100.5, 101.0, 102.0)]
    assert late == [False] * 4
