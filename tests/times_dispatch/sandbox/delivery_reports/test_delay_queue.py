from times_dispatch.sandbox.delivery_reports.delay_queue import DelayQueue, in_batches
from times_dispatch.sandbox.delivery_reports.reports import Event, ReportRow


def row(meta: str) -> ReportRow:
    return ReportRow(Event.DELIVERED, meta)


def test_rows_come_out_when_they_are_due_the_earliest_first() -> None:
    queue = DelayQueue()
    queue.push(2.0, row("b"))
    queue.push(1.0, row("a"))
    queue.push(2.0, row("c"))
    assert queue.pop_due(0.999) == []
    assert queue.pop_due(1.0) == [row("a")]
    assert queue.pop_due(3.0) == [row("b"), row("c")]
    assert len(queue) == 0


def test_a_cleared_queue_is_empty() -> None:
    queue = DelayQueue()
    queue.push(1.0, row("a"))
    queue.clear()
    assert (len(queue), queue.pop_due(2.0)) == (0, [])


def test_batches_hold_at_most_their_size() -> None:
    assert [len(batch) for batch in in_batches([row("a")] * 5, 2)] == [2, 2, 1]
