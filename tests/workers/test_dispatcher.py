"""Many batches in one process: room, poison, and what a worker finds when it starts."""

import asyncio
import struct

import pytest
from redis import exceptions
from structlog.testing import capture_logs

from tests.workers.conftest import CAMPAIGN, SENDER, Arrived, Gateway, House, until
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.keys import campaign_key
from times_dispatch.ledger.leases import BatchLeases
from times_dispatch.ledger.model import BatchRef, CampaignId, SenderId
from times_dispatch.ledger.states import CampaignState

KEY = campaign_key(SENDER, CAMPAIGN)


async def test_hundreds_of_batches_of_several_senders_share_one_process(house: House) -> None:
    senders = ("TIMESM", "OTHERS", "THIRDS")
    for sender in senders:
        await house.submit(300, batch_size=5, campaign=f"{sender.lower()}01", sender=sender)
    async with house.worker(rates=dict.fromkeys(senders, 0.0), max_in_flight=20) as worker:
        for sender in senders:
            await house.issue(worker, SenderId(sender))
        await worker.quiet()
    for sender in senders:
        assert await house.states(CampaignId(f"{sender.lower()}01")) == "a" * 300
    assert len(set(house.gateway.ids)) == len(house.gateway.ids) == 900


async def test_no_more_pushes_are_in_flight_than_the_process_may_have(house: House) -> None:
    await house.submit(40, batch_size=10)
    house.gateway.gate.clear()
    async with house.worker(max_in_flight=7) as worker:
        await house.issue(worker)
        await until(lambda: house.gateway.in_flight == 7)
        assert (await house.states()).count("s") == 7  # nothing is opened that could not be pushed at once
        house.gateway.gate.set()
        await worker.quiet()
    assert await house.states() == "a" * 40


async def test_batches_for_which_there_is_no_room_have_their_turn_when_others_end(house: House) -> None:
    await house.submit(5, batch_size=1)
    async with house.worker(most_batches=1) as worker:
        await house.issue(worker)
        await until(lambda: len(house.gateway.ids) == 5)
        await worker.quiet()
        await until(lambda: not worker.dispatcher._running)
    assert worker.ended.count("no room") == 4
    assert await house.states() == "aaaaa"


async def test_a_worker_is_full_as_long_as_enough_wait_to_follow_those_at_work(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.dispatcher._STOCK", 3)
    house.gateway.gate.clear()
    await house.submit(5, batch_size=1)
    async with house.worker(most_batches=1) as worker:
        assert not worker.dispatcher.is_full
        await house.issue(worker)
        await until(lambda: worker.dispatcher.is_full)
        house.gateway.gate.set()
        await until(lambda: len(house.gateway.ids) == 5)
        assert not worker.dispatcher.is_full
        await worker.quiet()
    assert await house.states() == "aaaaa"


async def test_a_batch_whose_bytes_are_damaged_brakes_its_campaign_and_says_so(house: House) -> None:
    await house.submit(4, batch_size=2)
    await house.redis.set(f"{KEY}:p:1", b"junk")
    with capture_logs() as logs:
        worker = await house.send()
    view = await house.view()
    assert (view.state, view.reason) == (CampaignState.BRAKED, "batch 2 cannot be worked on: ValueError")
    assert "failed" in worker.ended
    assert [log["batch"] for log in logs if log["event"] == "batch failed"] == [1]
    await house.redis.flushall()  # the fixture's balance could not read the rows either


@pytest.mark.parametrize(
    "broken",
    [{"slots": 2}, {"text": "Dear {#nobody#}"}, {"text": "Dear {#var#} {#var#}"}],
    ids=["too many columns", "a template that cannot be", "too few columns"],
)
async def test_rows_that_do_not_fit_their_text_brake_the_campaign_and_not_one_is_pushed(
    house: House, broken: dict[str, object]
) -> None:
    await house.submit(150, **broken)  # type: ignore[arg-type]
    worker = await house.send()
    assert worker.ended[0] == "failed"
    assert house.gateway.ids == []
    view = await house.view()
    assert view.state is CampaignState.BRAKED
    assert view.reason.startswith("batch ")
    await house.run_out(BatchRef(SENDER, CAMPAIGN, 0), BatchRef(SENDER, CAMPAIGN, 1))
    assert await house.states() == "p" * 150  # what was opened and never begun is not in doubt
    assert await house.leases() == 0


async def test_a_poisoned_batch_is_tried_again_only_after_a_resume(house: House) -> None:
    await house.submit(2, slots=2)
    async with house.worker() as worker:
        await house.issue(worker)
        await worker.quiet()
        await house.run_out(BatchRef(SENDER, CAMPAIGN, 0))
        assert await house.issue(worker) == []
        await house.control.campaign(SENDER, CAMPAIGN, "resume")
        await house.issue(worker)
        await worker.quiet()
    assert worker.ended == ["failed", "failed"]
    assert (await house.view()).state is CampaignState.BRAKED
    await house.run_out(BatchRef(SENDER, CAMPAIGN, 0))


async def test_a_ledger_that_is_broken_for_one_batch_brakes_its_campaign_instead_of_asking_for_ever(
    house: House,
) -> None:
    await house.submit(4, cost_unit="parts", parts=2)
    await house.redis.delete(f"{KEY}:k:0")
    await house.redis.sadd(f"{KEY}:k:0", "not a string")
    worker = await house.send()
    assert worker.ended == ["failed"]
    assert (await house.view()).reason == "batch 1 cannot be worked on: ResponseError"
    await house.run_out(BatchRef(SENDER, CAMPAIGN, 0))


async def test_what_was_opened_for_later_slots_is_given_back_when_the_batch_fails_before_they_come(
    house: House,
) -> None:
    await house.submit(20, cost_unit="parts", parts_known=2)
    worker = await house.send(rates={SENDER: 100})
    assert worker.ended == ["failed"]
    assert (await house.view()).reason == "batch 1 cannot be worked on: IndexError"
    assert "s" not in await house.states()
    assert (await house.states()).count("a") == len(house.gateway.ids) == 3
    await house.run_out(BatchRef(SENDER, CAMPAIGN, 0))


async def test_outcomes_that_cannot_be_written_leave_the_messages_in_doubt_and_brake_the_campaign(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.submit(3)

    async def unwritable(*_: object, **__: object) -> int:
        raise struct.error(text)

    text = str(["Dear", "Asha"])  # made here, because the log quotes the source

    monkeypatch.setattr(BatchLeases, "record", unwritable)
    with capture_logs() as logs:
        worker = await house.send()
    assert worker.ended == ["failed"]
    assert (await house.view()).reason == "batch 1 cannot be worked on: error"
    (line,) = [log for log in logs if log["event"] == "batch failed"]
    assert "recorder.py" in line["where"]
    assert text not in str(line)
    await house.run_out(BatchRef(SENDER, CAMPAIGN, 0))
    assert await house.states() == "iii"


async def test_a_surprise_in_one_batch_leaves_the_other_campaigns_alone(house: House) -> None:
    await house.submit(2, slots=2)
    await house.submit(200, campaign="healthy1")
    await house.send()
    assert await house.states(CampaignId("healthy1")) == "a" * 200
    await house.run_out(BatchRef(SENDER, CAMPAIGN, 0))


async def test_a_provider_that_the_worker_does_not_know_brakes_the_campaign(house: House) -> None:
    await house.submit(2, provider="nobody")
    worker = await house.send()
    assert worker.ended == ["no provider"]
    assert (await house.view()).reason == "provider nobody is not in the worker's settings"
    await house.run_out(BatchRef(SENDER, CAMPAIGN, 0))
    assert await house.states() == "pp"


async def test_a_worker_that_starts_before_its_ledger_waits_for_it_and_keeps_the_rates(gateway: Gateway) -> None:
    with EmbeddedServer() as server:
        server.kill()
        async with connect(server.url, retries=0) as redis:
            house = House(redis, gateway)
            async with house.worker(rates={SENDER: 50}) as worker:
                worker.ring([BatchRef(SENDER, CAMPAIGN, 0)])
                server.restart()
                await until(lambda: worker.ended)
                assert worker.ended == ["nothing owed"]
                assert (await house.views.sender(SENDER)).rate_per_s == 50


async def test_a_worker_that_is_stopped_before_its_ledger_came_ends_at_once(
    gateway: Gateway, unused_tcp_port: int
) -> None:
    async with connect(f"redis://127.0.0.1:{unused_tcp_port}/0", retries=0) as redis:
        house = House(redis, gateway)
        async with asyncio.timeout(3), house.worker() as worker:
            worker.ring([BatchRef(SENDER, CAMPAIGN, 0)])
    assert worker.ended == ["ledger away"]


async def test_why_the_ledger_cannot_be_used_is_logged_without_its_password(gateway: Gateway) -> None:
    with EmbeddedServer(password="mellon") as server, capture_logs() as logs:
        wrong = server.url.replace("mellon", "swordfish")
        async with connect(wrong, retries=0) as redis, House(redis, gateway).worker():
            await until(lambda: any(log["event"] == "ledger away" for log in logs))
    (reason,) = {log["error"] for log in logs if log["event"] == "ledger away"}
    assert reason.endswith("refused the password")
    assert "swordfish" not in str(logs)


async def test_a_take_whose_answer_is_lost_leaves_the_batch_to_its_lease(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.submit(2)
    take = BatchLeases.take
    lost = [True]

    async def lossy(self: BatchLeases, ref: BatchRef) -> object:
        taken = await take(self, ref)
        if lost.pop() if lost else False:
            raise exceptions.ConnectionError
        return taken

    monkeypatch.setattr(BatchLeases, "take", lossy)
    async with house.worker() as worker:
        (ref,) = await house.issue(worker)
        await worker.quiet()
        assert worker.ended == ["ledger away"]
        await house.run_out(ref)
        await house.issue(worker)
        await worker.quiet()
    assert await house.states() == "aa"


async def test_no_log_line_holds_a_number_a_text_or_a_credential(house: House) -> None:
    await house.submit(30, batch_size=10)
    house.gateway.reply = lambda push: None if _even(push) else ValueError(push.text, push.to)
    with capture_logs() as logs:
        await house.send()
    said = str(logs)
    assert [log["event"] for log in logs].count("batch") == 3
    for secret in ("9198", "name 1", "Dear", "hunter2", "shop", "an-id-key"):
        assert secret not in said


def _even(push: Arrived) -> bool:
    return int(push.to) % 2 == 0
