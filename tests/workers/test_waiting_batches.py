from tests.kit.clock import FakeClock
from times_dispatch.ledger.model import BatchRef, CampaignId, SenderId
from workers.waiting_batches import MAX_WAIT_S, WaitingBatches


def ref(number: int) -> BatchRef:
    return BatchRef(SenderId("TIMESM"), CampaignId("diwali01"), number)


def test_batches_are_taken_in_the_order_in_which_they_came_each_kind_for_itself() -> None:
    waiting = WaitingBatches(clock=FakeClock())
    for number in (1, 2):
        waiting.add(ref(number), is_urgent=False)
    waiting.add(ref(3), is_urgent=True)
    assert (waiting.count(is_urgent=False), waiting.count(is_urgent=True)) == (2, 1)
    assert [waiting.take(is_urgent=False) for _ in range(3)] == [ref(1), ref(2), None]
    assert waiting.take(is_urgent=True) == ref(3)


async def test_a_batch_is_overdue_after_two_seconds_urgent_ones_first() -> None:
    clock = FakeClock()
    waiting = WaitingBatches(clock=clock)
    waiting.add(ref(1), is_urgent=False)
    waiting.add(ref(2), is_urgent=True)
    await clock.advance(MAX_WAIT_S - 0.1)
    waiting.add(ref(3), is_urgent=True)
    assert waiting.take_overdue() is None
    await clock.advance(0.1)
    assert [waiting.take_overdue() for _ in range(3)] == [ref(2), ref(1), None]
    assert waiting.take_all() == [ref(3)]
    assert waiting.count(is_urgent=True) == 0


def test_only_the_newest_thousand_are_remembered() -> None:
    waiting = WaitingBatches(clock=FakeClock())
    for number in range(1_200):
        waiting.add(ref(number), is_urgent=False)
    assert waiting.count(is_urgent=False) == 1_000
    assert waiting.take(is_urgent=False) == ref(200)
