"""Many batches in one process: how many at once, and the start of a worker."""

import asyncio
import time

import pytest
from redis import exceptions
from structlog.testing import capture_logs

from tests.kit.fake_provider import Arrived, FakeProvider
from tests.kit.waiting import eventually
from tests.kit.workers import CAMPAIGN, SENDER, WorkerRig
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.keys import campaign_key
from times_dispatch.ledger.leases import BatchLeases
from times_dispatch.ledger.model import BatchRef, CampaignId, SenderId
from times_dispatch.ledger.push_results import FailurePolicy
from times_dispatch.ledger.schema import MAJOR, MINOR
from workers.batch.batch_run import BatchEnd

KEY = campaign_key(SENDER, CAMPAIGN)
ONE_FAILURE = FailurePolicy(pauses_s=(0.0,), max_failures_alone=1)


async def test_a_campaign_that_needs_a_newer_version_is_left_to_newer_workers(
    rig: WorkerRig,
) -> None:
    await rig.submit(3)
    await rig.redis.hset(KEY, "schema", MINOR + 1)
    with capture_logs() as logs:
        async with rig.worker() as worker:
            await rig.issue(worker)
            await worker.quiet()
    assert (rig.provider.ids, await rig.redis.hget(KEY, "state")) == ([], b"running")
    assert worker.ended == [BatchEnd.NOTHING_TO_DO]
    assert [line["reason"] for line in logs if line["event"] == "a campaign is left to workers of a newer version"] == [
        f"campaign {CAMPAIGN}: needs workers of schema {MAJOR}.{MINOR + 1} or later (docs/deploy.md#upgrade)"
    ]


@pytest.mark.slow  # sends at limited rates
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
        await eventually(lambda: rig.provider.in_flight == 7)
        assert (await rig.states()).count("s") == 7  # no message is opened that cannot be pushed at once
        rig.provider.may_answer.set()
        await worker.quiet()
    assert await rig.states() == "a" * 40


async def test_batches_for_which_there_is_no_room_have_their_turn_when_others_end(rig: WorkerRig) -> None:
    await rig.submit(5, batch_size=1)
    async with rig.worker(max_batches=1) as worker:
        await rig.issue(worker)
        await eventually(lambda: len(rig.provider.ids) == 5)
        await worker.quiet()
        await eventually(lambda: not worker.dispatcher._running)
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
        await eventually(worker.dispatcher.is_full)
        rig.provider.may_answer.set()
        await eventually(lambda: len(rig.provider.ids) == 5)
        assert not worker.dispatcher.is_full()
        await worker.quiet()
    assert await rig.states() == "aaaaa"


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
                await eventually(lambda: worker.ended)
                assert worker.ended == [BatchEnd.NOTHING_TO_DO]
                assert (await rig.queries.sender(SENDER)).rate_per_s == 50


async def test_a_worker_that_is_stopped_before_its_ledger_came_ends_at_once(
    provider: FakeProvider, unused_tcp_port: int
) -> None:
    async with connect(f"redis://127.0.0.1:{unused_tcp_port}/0", retries=0) as redis:
        rig = WorkerRig(redis, provider)
        async with asyncio.timeout(120), rig.worker() as worker:
            worker.wake([BatchRef(SENDER, CAMPAIGN, 0)])
    assert worker.ended == [BatchEnd.LEDGER_UNAVAILABLE]


@pytest.mark.processes
async def test_why_the_ledger_cannot_be_used_is_logged_without_its_password(provider: FakeProvider) -> None:
    with EmbeddedServer(password="mellon") as server, capture_logs() as logs:
        wrong = server.url.replace("mellon", "swordfish")
        async with connect(wrong, retries=0) as redis, WorkerRig(redis, provider).worker():
            await eventually(lambda: any(log["event"] == "ledger unavailable" for log in logs))
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
    assert {log["event"] for log in logs} >= {"batch", "batch ended"}
    for secret in ("9198", "name 1", "Dear", "hunter2", "shop", "an-id-key"):
        assert secret not in log_text


async def test_batches_that_end_within_a_second_are_one_log_line_with_their_sums(rig: WorkerRig) -> None:
    await rig.submit(40, batch_size=1)
    began_at = time.monotonic()
    with capture_logs() as logs:
        await rig.send()
    lines = [log for log in logs if log["event"] == "batch"]
    assert sum(log.get("lines", 1) for log in lines) == 40
    assert sum(log["accepted"] for log in lines) == 40
    took_s = time.monotonic() - began_at
    for end in {log["ended"] for log in lines}:
        assert sum(log["ended"] == end for log in lines) <= 2 + took_s


def _is_even(push: Arrived) -> bool:
    return int(push.to) % 2 == 0
