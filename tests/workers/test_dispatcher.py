"""Many batches in one process: how many at once, batches that cannot be worked on, and the start of a worker."""

import asyncio
import struct

import pytest
from redis import exceptions
from structlog.testing import capture_logs

from tests.kit.workers import CAMPAIGN, SENDER, Arrived, FakeProvider, WorkerRig, until
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.keys import campaign_key
from times_dispatch.ledger.leases import BatchLeases
from times_dispatch.ledger.model import BatchRef, CampaignId, SenderId
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.push_results import FailurePolicy
from times_dispatch.ledger.states import CampaignState
from workers.batch.batch_run import BatchEnd

KEY = campaign_key(SENDER, CAMPAIGN)
ONE_FAILURE = FailurePolicy(pauses_s=(0.0,), max_failures_alone=1)


@pytest.mark.slow  # sends at rates
async def test_hundreds_of_batches_of_several_senders_share_one_process(rig: WorkerRig) -> None:
    senders = ("TIMESM", "OTHERS", "THIRDS")
    for sender in senders:
        await rig.submit(300, batch_size=5, campaign=f"{sender.lower()}01", sender=sender)
    async with rig.worker(rates=dict.fromkeys(senders, 0.0), max_in_flight=20) as worker:
        for sender in senders:
            await rig.issue(worker, SenderId(sender))
        await worker.quiet()
    for sender in senders:
        assert await rig.states(CampaignId(f"{sender.lower()}01")) == "a" * 300
    assert len(set(rig.provider.ids)) == len(rig.provider.ids) == 900


async def test_no_more_pushes_are_in_flight_than_the_process_may_have(rig: WorkerRig) -> None:
    await rig.submit(40, batch_size=10)
    rig.provider.may_answer.clear()
    async with rig.worker(max_in_flight=7) as worker:
        await rig.issue(worker)
        await until(lambda: rig.provider.in_flight == 7)
        assert (await rig.states()).count("s") == 7  # nothing is opened that could not be pushed at once
        rig.provider.may_answer.set()
        await worker.quiet()
    assert await rig.states() == "a" * 40


async def test_batches_for_which_there_is_no_room_have_their_turn_when_others_end(rig: WorkerRig) -> None:
    await rig.submit(5, batch_size=1)
    async with rig.worker(max_batches=1) as worker:
        await rig.issue(worker)
        await until(lambda: len(rig.provider.ids) == 5)
        await worker.quiet()
        await until(lambda: not worker.dispatcher._running)
    assert worker.ended.count(BatchEnd.FULL) == 4
    assert await rig.states() == "aaaaa"


async def test_a_worker_is_full_as_long_as_enough_wait_to_follow_those_at_work(
    rig: WorkerRig,
) -> None:
    rig.provider.may_answer.clear()
    await rig.submit(5, batch_size=1)
    async with rig.worker(max_batches=1, full_at=3) as worker:
        assert not worker.dispatcher.is_full()
        await rig.issue(worker)
        await until(worker.dispatcher.is_full)
        rig.provider.may_answer.set()
        await until(lambda: len(rig.provider.ids) == 5)
        assert not worker.dispatcher.is_full()
        await worker.quiet()
    assert await rig.states() == "aaaaa"


async def test_a_batch_whose_bytes_are_damaged_brakes_its_campaign_and_says_so(rig: WorkerRig) -> None:
    await rig.submit(4, batch_size=2)
    await rig.redis.set(f"{KEY}:p:1", b"junk")
    with capture_logs() as logs:
        worker = await rig.send_until_stopped()
    view = await rig.view()
    assert (view.state, view.reason) == (CampaignState.BRAKED, "batch 2 cannot be worked on: ValueError")
    assert BatchEnd.FAILED in worker.ended
    assert [log["batch"] for log in logs if log["event"] == "batch failed"] == [1] * 8
    await rig.redis.flushall()  # the fixture's balance could not read the rows either


@pytest.mark.parametrize(
    "broken",
    [{"slots": 2}, {"text": "Dear {#nobody#}"}, {"text": "Dear {#var#} {#var#}"}],
    ids=["too many columns", "a template that cannot be", "too few columns"],
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
    assert await rig.states() == "p" * 150  # what was opened and never begun is not in doubt
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
    rig: WorkerRig,
) -> None:
    await rig.submit(20, cost_unit="parts", parts_known=2)
    worker = await rig.send(rates={SENDER: 100}, failure_policy=ONE_FAILURE)
    assert worker.ended == [BatchEnd.FAILED]
    assert (await rig.view()).reason == "batch 1 cannot be worked on: IndexError"
    assert "s" not in await rig.states()
    assert (await rig.states()).count("a") == len(rig.provider.ids) == 3
    await rig.expire_leases(BatchRef(SENDER, CAMPAIGN, 0))


async def test_outcomes_that_cannot_be_written_leave_the_messages_in_doubt_and_brake_the_campaign(
    rig: WorkerRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rig.submit(3)

    async def unwritable(*_: object, **__: object) -> int:
        raise struct.error(text)

    text = str(["Dear", "Asha"])  # made here, because the log quotes the source

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


async def test_a_provider_that_the_worker_does_not_know_brakes_the_campaign(rig: WorkerRig) -> None:
    await rig.submit(2, provider="nobody")
    worker = await rig.send()
    assert worker.ended == [BatchEnd.PROVIDER_UNKNOWN]
    assert (await rig.view()).reason == "provider nobody is not in the worker's settings"
    await rig.expire_leases(BatchRef(SENDER, CAMPAIGN, 0))
    assert await rig.states() == "pp"


@pytest.mark.processes
async def test_a_worker_that_starts_before_its_ledger_waits_for_it_and_keeps_the_rates(provider: FakeProvider) -> None:
    with EmbeddedServer() as server:
        server.kill()
        async with connect(server.url, retries=0) as redis:
            rig = WorkerRig(redis, provider)
            async with rig.worker(rates={SENDER: 50}) as worker:
                worker.wake([BatchRef(SENDER, CAMPAIGN, 0)])
                server.restart()
                await until(lambda: worker.ended)
                assert worker.ended == [BatchEnd.NOTHING_TO_DO]
                assert (await rig.queries.sender(SENDER)).rate_per_s == 50


async def test_a_worker_that_is_stopped_before_its_ledger_came_ends_at_once(
    provider: FakeProvider, unused_tcp_port: int
) -> None:
    async with connect(f"redis://127.0.0.1:{unused_tcp_port}/0", retries=0) as redis:
        rig = WorkerRig(redis, provider)
        async with asyncio.timeout(30), rig.worker() as worker:
            worker.wake([BatchRef(SENDER, CAMPAIGN, 0)])
    assert worker.ended == [BatchEnd.LEDGER_UNAVAILABLE]


@pytest.mark.processes
async def test_why_the_ledger_cannot_be_used_is_logged_without_its_password(provider: FakeProvider) -> None:
    with EmbeddedServer(password="mellon") as server, capture_logs() as logs:
        wrong = server.url.replace("mellon", "swordfish")
        async with connect(wrong, retries=0) as redis, WorkerRig(redis, provider).worker():
            await until(lambda: any(log["event"] == "ledger unavailable" for log in logs))
    (reason,) = {log["error"] for log in logs if log["event"] == "ledger unavailable"}
    assert reason.endswith("refused the password")
    assert "swordfish" not in str(logs)


async def test_a_take_whose_answer_is_lost_leaves_the_batch_to_its_lease(
    rig: WorkerRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rig.submit(2)
    take = BatchLeases.take
    lost = [True]

    async def lossy(self: BatchLeases, ref: BatchRef) -> object:
        taken = await take(self, ref)
        if lost.pop() if lost else False:
            raise exceptions.ConnectionError
        return taken

    monkeypatch.setattr(BatchLeases, "take", lossy)
    async with rig.worker() as worker:
        (ref,) = await rig.issue(worker)
        await worker.quiet()
        assert worker.ended == [BatchEnd.LEDGER_UNAVAILABLE]
        await rig.expire_leases(ref)
        await rig.issue(worker)
        await worker.quiet()
    assert await rig.states() == "aa"


async def test_no_log_line_holds_a_number_a_text_or_a_credential(rig: WorkerRig) -> None:
    await rig.submit(30, batch_size=10)
    rig.provider.reply = lambda push: None if _is_even(push) else ValueError(push.text, push.to)
    with capture_logs() as logs:
        await rig.send()
    log_text = str(logs)
    assert [log["event"] for log in logs].count("batch") == 3
    for secret in ("9198", "name 1", "Dear", "hunter2", "shop", "an-id-key"):
        assert secret not in log_text


def _is_even(push: Arrived) -> bool:
    return int(push.to) % 2 == 0
