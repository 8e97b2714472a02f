import asyncio
import math

import pytest

from tests.kit.clock import FakeClock
from times_dispatch.ledger.errors import LeaseLost, LedgerDeadlinePassed
from times_dispatch.ledger.model import BatchRef, CampaignId, SenderId
from times_dispatch.ledger.openings import BatchClosed
from times_dispatch.ledger.protocol import CloseReason
from times_dispatch.ledger.states import CampaignState
from workers.batch.batch_run import BatchEnd, BatchRun, WorkEnd, end_of_closed, end_of_writes

NOW = 1_000.0


@pytest.fixture
def run() -> BatchRun:
    return BatchRun(lease_deadline=NOW + 15, clock=FakeClock(now=NOW))


@pytest.mark.parametrize(("start_by", "may"), [(NOW - 0.001, False), (NOW, False), (NOW + 0.001, True)])
def test_a_push_may_start_before_its_start_by_and_not_at_it(run: BatchRun, start_by: float, may: bool) -> None:
    assert run.may_push(start_by) is may


@pytest.mark.parametrize(("deadline", "may"), [(NOW - 0.001, False), (NOW, False), (NOW + 0.001, True)])
def test_a_push_may_start_before_the_deadline_of_the_lease_and_not_at_it(
    run: BatchRun, deadline: float, may: bool
) -> None:
    run.lease_deadline = deadline
    assert run.may_push(math.inf) is may


def test_no_push_may_start_after_a_stop_a_lost_lease_or_an_error() -> None:
    for end in (BatchRun.stop, lambda run: run.forbid_writes(BatchEnd.LEASE_LOST), lambda run: run.fail(KeyError())):
        run = BatchRun(lease_deadline=math.inf, clock=FakeClock())
        assert run.may_push(math.inf)
        end(run)
        assert not run.may_push(math.inf)


def test_the_ledger_has_the_grace_of_the_first_stop_and_no_longer_one_of_a_later_stop(run: BatchRun) -> None:
    run.stop(grace_s=5)
    run.stop(grace_s=9)
    assert run.ledger_deadline == NOW + 5
    run.stop()
    assert run.ledger_deadline == NOW


def test_after_an_unexpected_error_the_ledger_has_all_the_time_to_take_the_results(run: BatchRun) -> None:
    run.fail(KeyError())
    assert run.ledger_deadline == math.inf


async def test_an_error_of_a_part_fails_the_run_and_the_first_error_is_kept(run: BatchRun) -> None:
    async def part(error: Exception) -> None:
        raise error

    for error in (KeyError("first"), ValueError("second")):
        run.start_task(part(error))
        await run.wait_while(lambda: run.has_tasks)
    assert isinstance(run.unexpected, KeyError)
    assert run.stopping.is_set()
    assert run.may_write


async def test_a_condition_is_checked_again_after_each_notify(run: BatchRun) -> None:
    left = [3]
    waiting = asyncio.create_task(run.wait_while(lambda: left[0] > 0))
    while left[0]:
        await asyncio.sleep(0)
        assert not waiting.done()
        left[0] -= 1
        run.notify()
    await asyncio.wait_for(waiting, 30)


async def test_cancelled_parts_end_and_count_as_no_error(run: BatchRun) -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    run.start_task(hang())
    await run.cancel_tasks()
    assert not run.has_tasks
    assert run.unexpected is None
    assert run.write_forbidden_by is BatchEnd.CANCELLED


@pytest.mark.parametrize("end", [*CloseReason, *CampaignState, BatchEnd.STOPPING])
def test_each_reason_to_close_a_batch_is_why_its_work_ends(end: WorkEnd) -> None:
    assert end_of_closed(BatchClosed(str(end))) is end


def test_an_unknown_reason_to_close_a_batch_is_an_error() -> None:
    with pytest.raises(ValueError, match="no such reason to close a batch: bored"):
        end_of_closed(BatchClosed("bored"))


def test_a_silent_ledger_is_not_taken_for_a_lost_lease() -> None:
    ref = BatchRef(SenderId("TIMESM"), CampaignId("diwali01"), 0)
    assert end_of_writes(LeaseLost(ref)) is BatchEnd.LEASE_LOST
    assert end_of_writes(LedgerDeadlinePassed(ref)) is BatchEnd.LEDGER_DEADLINE_PASSED


def test_the_first_reason_that_forbids_writes_is_kept(run: BatchRun) -> None:
    assert run.may_write
    run.forbid_writes(BatchEnd.LEDGER_DEADLINE_PASSED)
    run.forbid_writes(BatchEnd.LEASE_LOST)
    assert run.write_forbidden_by is BatchEnd.LEDGER_DEADLINE_PASSED
