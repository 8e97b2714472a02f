"""Batches that cannot be worked on: they are released, or their campaigns are braked."""

import struct

import pytest
from structlog.testing import capture_logs

from tests.kit.workers import CAMPAIGN, SENDER, WorkerRig
from times_dispatch.ledger.keys import campaign_key
from times_dispatch.ledger.leases import BatchLeases
from times_dispatch.ledger.model import BatchRef, CampaignId
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.push_results import FailurePolicy
from times_dispatch.ledger.reply_clock import ReplyClock
from times_dispatch.ledger.states import CampaignState
from workers.batch.batch_run import BatchEnd
from workers.batch.pacing import Spacing
from workers.batch.suppression_check import SuppressionCheck

KEY = campaign_key(SENDER, CAMPAIGN)
ONE_FAILURE = FailurePolicy(pauses_s=(0.0,), max_failures_alone=1)


async def test_a_batch_whose_bytes_are_damaged_brakes_its_campaign_and_says_so(rig: WorkerRig) -> None:
    await rig.submit(4, batch_size=2)
    await rig.redis.set(f"{KEY}:p:1", b"junk")
    with capture_logs() as logs:
        worker = await rig.send_until_stopped()
    view = await rig.view()
    assert (view.state, view.reason) == (CampaignState.BRAKED, "batch 2 cannot be worked on: ValueError")
    assert BatchEnd.FAILED in worker.ended
    assert [log["batch"] for log in logs if log["event"] == "batch failed"] == [1] * 8
    await rig.redis.flushall()  # the fixture's check of the counters could not read the rows either


@pytest.mark.parametrize(
    "broken",
    [{"slots": 2}, {"text": "Dear {#nobody#}"}, {"text": "Dear {#var#} {#var#}"}],
    ids=["too many columns", "an invalid template", "too few columns"],
)
async def test_rows_that_do_not_fit_their_text_brake_the_campaign_and_not_one_is_pushed(
    rig: WorkerRig, broken: dict[str, object]
) -> None:
    await rig.submit(150, **broken)  # type: ignore[arg-type]
    worker = await rig.send_until_stopped()
    assert worker.ended[0] == BatchEnd.FAILED
    assert rig.provider.ids == []
    view = await rig.view()
    assert view.state is CampaignState.BRAKED
    assert view.reason.startswith("batch ")
    await rig.expire_leases(BatchRef(SENDER, CAMPAIGN, 0), BatchRef(SENDER, CAMPAIGN, 1))
    assert await rig.states() == "p" * 150  # messages that were opened and never begun are not in doubt
    assert await rig.lease_count() == 0


async def test_a_poisoned_batch_is_tried_again_only_after_a_resume(rig: WorkerRig) -> None:
    await rig.submit(2, slots=2)
    async with rig.worker(failure_policy=ONE_FAILURE) as worker:
        await rig.issue(worker)
        await worker.quiet()
        await rig.expire_leases(BatchRef(SENDER, CAMPAIGN, 0))
        assert await rig.issue(worker) == []
        await rig.control.campaign(SENDER, CAMPAIGN, ControlAction.RESUME)
        await rig.issue(worker)
        await worker.quiet()
    assert worker.ended == [BatchEnd.FAILED, BatchEnd.FAILED]
    assert (await rig.view()).state is CampaignState.BRAKED
    await rig.expire_leases(BatchRef(SENDER, CAMPAIGN, 0))


async def test_a_ledger_that_is_broken_for_one_batch_brakes_its_campaign_instead_of_asking_for_ever(
    rig: WorkerRig,
) -> None:
    await rig.submit(4, cost_unit="parts", parts=2)
    await rig.redis.delete(f"{KEY}:k:0")
    await rig.redis.sadd(f"{KEY}:k:0", "not a string")
    worker = await rig.send()
    assert worker.ended == [BatchEnd.FAILED]
    assert (await rig.view()).reason == "batch 1 cannot be worked on: ResponseError"
    await rig.expire_leases(BatchRef(SENDER, CAMPAIGN, 0))


async def test_messages_with_later_send_times_are_returned_unsent_when_the_batch_fails_first(
    rig: WorkerRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    take, taken = Spacing.take, list[float]()

    def fail_after_three(self: Spacing, at: float, cost: int, interval_s: float) -> None:
        take(self, at, cost, interval_s)
        taken.append(at)
        if len(taken) == 3:
            raise IndexError

    monkeypatch.setattr(Spacing, "take", fail_after_three)
    await rig.submit(20)
    worker = await rig.send(rates={SENDER: 100}, failure_policy=ONE_FAILURE)
    assert worker.ended == [BatchEnd.FAILED]
    assert (await rig.view()).reason == "batch 1 cannot be worked on: IndexError"
    assert "s" not in await rig.states()
    assert (await rig.states()).count("a") == len(rig.provider.ids) == 3
    await rig.expire_leases(BatchRef(SENDER, CAMPAIGN, 0))


async def test_the_messages_of_a_block_whose_parts_are_not_known_are_returned_unsent(rig: WorkerRig) -> None:
    await rig.submit(20, cost_unit="parts", parts_known=2)
    worker = await rig.send(rates={SENDER: 100}, failure_policy=ONE_FAILURE)
    assert worker.ended == [BatchEnd.FAILED]
    assert (await rig.view()).reason == "batch 1 cannot be worked on: IndexError"
    assert rig.provider.ids == []
    assert await rig.states() == "p" * 20
    await rig.expire_leases(BatchRef(SENDER, CAMPAIGN, 0))


@pytest.mark.parametrize(
    ("owner", "name"), [(ReplyClock, "moment"), (SuppressionCheck, "opened"), (SuppressionCheck, "opted_out")]
)
async def test_a_block_that_no_push_begins_of_is_returned_unsent_whatever_fails(
    rig: WorkerRig, monkeypatch: pytest.MonkeyPatch, owner: type, name: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise LookupError

    monkeypatch.setattr(owner, name, fail)
    await rig.submit(20)
    worker = await rig.send(failure_policy=ONE_FAILURE)
    assert worker.ended == [BatchEnd.FAILED]
    assert rig.provider.ids == []
    assert await rig.states() == "p" * 20
    await rig.expire_leases(BatchRef(SENDER, CAMPAIGN, 0))


async def test_outcomes_that_cannot_be_written_leave_the_messages_in_doubt_and_brake_the_campaign(
    rig: WorkerRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rig.submit(3)

    async def unwritable(*_: object, **__: object) -> int:
        raise struct.error(text)

    text = str(["Dear", "Asha"])  # built here, because the log quotes the line of source that raises the error

    monkeypatch.setattr(BatchLeases, "record", unwritable)
    with capture_logs() as logs:
        worker = await rig.send()
    assert worker.ended == [BatchEnd.FAILED]
    assert (await rig.view()).reason == "batch 1 cannot be worked on: error"
    (line,) = [log for log in logs if log["event"] == "batch failed"]
    assert "recorder.py" in line["where"]
    assert text not in str(line)
    await rig.expire_leases(BatchRef(SENDER, CAMPAIGN, 0))
    assert await rig.states() == "iii"


async def test_an_unexpected_error_in_one_batch_leaves_the_other_campaigns_alone(rig: WorkerRig) -> None:
    await rig.submit(2, slots=2)
    await rig.submit(200, campaign="healthy1")
    await rig.send()
    assert await rig.states(CampaignId("healthy1")) == "a" * 200
    await rig.expire_leases(BatchRef(SENDER, CAMPAIGN, 0))
