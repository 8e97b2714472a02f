"""Two providers of a sender: what goes to the second, and what never does."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from tests.workers.conftest import CAMPAIGN, SENDER, House, answer, provider, refused, until
from times_dispatch.ledger.leases import Block, new_operation
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.states import CampaignState
from times_dispatch.provider.client import Client
from times_dispatch.provider.description.provider import Provider
from times_dispatch.provider.failures import Failure, NotSent
from times_dispatch.provider.ids import CorrelationIds
from times_dispatch.provider.outcomes import Outcome, Verdict
from workers.batch import worker as batch_module
from workers.batch.ledger_retry import LedgerRetry
from workers.batch.recorder import Pushed, Recorder

CHAIN = ("times", "second")


def _ids(rows: Sequence[int]) -> set[str]:
    """The ids of the first attempts."""
    ids = CorrelationIds(b"an-id-key-of-enough-bytes")
    return {ids.make(CAMPAIGN, row, 0) for row in rows}


async def test_when_the_first_refuses_connections_everything_arrives_at_the_second_once(
    house: House, unused_tcp_port: int
) -> None:
    await house.submit(120, batch_size=40, fallbacks=["second"])

    def client(about: Provider) -> Client:
        # Of the first a real one, with nobody listening.
        nowhere = provider("times", f"http://127.0.0.1:{unused_tcp_port}/ct")
        return Client(nowhere) if about.nickname == "times" else house.client(about)

    await house.send(chain=CHAIN, make_client=client, max_in_flight=20)
    assert await house.states() == "a" * 120
    assert len(house.second.ids) == 120
    assert set(house.second.ids) == _ids(range(120))
    view = await house.view()
    assert view.state is CampaignState.FINISHED
    assert set(view.codes) == {f"retry:{Failure.REFUSED.value}"}


async def test_when_the_first_refuses_the_account_the_rest_goes_through_the_second_at_once(house: House) -> None:
    await house.submit(30, fallbacks=["second"])
    house.gateway.reply = lambda _: refused(2070)
    async with house.worker(chain=CHAIN, rates={SENDER: 0, "OTHERS": 0}, max_in_flight=5) as worker:
        await house.issue(worker)
        await worker.quiet()
    assert await house.states() == "a" * 30
    assert len(house.second.ids) == 30
    assert set(house.second.ids) == _ids(range(30))
    assert set(house.gateway.ids) < set(house.second.ids)  # they were refused, so they are not doubled
    for sender in (SENDER, SenderId("OTHERS")):
        (held,) = (await house.views.sender(sender)).held
        assert (held.provider, held.brake) == ("times", "authentication failure (2070)")


async def test_a_fallback_that_refuses_its_account_is_braked_for_every_sender_that_falls_back_on_it(
    house: House,
) -> None:
    await house.submit(3, provider="second")
    house.second.reply = lambda _: refused(2070)
    async with house.worker(chain=CHAIN, rates={SENDER: 0, "OTHERS": 0}) as worker:
        await house.issue(worker)
        await worker.quiet()
    (held,) = (await house.views.sender(SenderId("OTHERS"))).held
    assert held.provider == "second"


@asynccontextmanager
async def _resetting() -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that reads a whole request, and then resets the connection; with the requests it read."""
    read: list[bytes] = []

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = next(line for line in head.lower().splitlines() if line.startswith(b"content-length:"))
        read.append(await reader.readexactly(int(size.partition(b":")[2])))
        writer.transport.abort()

    async with await asyncio.start_server(swallow, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/ct", read


async def test_what_is_in_doubt_at_the_first_is_not_sent_through_the_second(house: House) -> None:
    await house.submit(60, fallbacks=["second"])
    async with _resetting() as (endpoint, read):

        def client(about: Provider) -> Client:
            return Client(provider("times", endpoint)) if about.nickname == "times" else house.client(about)

        await house.send(chain=CHAIN, make_client=client, rates={SENDER: 200})
    states = await house.states()
    doubted = [row for row, state in enumerate(states) if state == "i"]
    assert 1 <= len(doubted) == len(read) < 60
    assert states.count("a") == 60 - len(doubted)
    assert len(house.second.ids) == 60 - len(doubted)
    assert set(house.second.ids) == _ids(range(60)) - _ids(doubted)
    assert (await house.view()).state is CampaignState.FINISHED


async def test_a_first_that_asks_for_two_minutes_is_left_alone_while_the_second_sends(house: House) -> None:
    await house.submit(40, fallbacks=["second"])
    house.gateway.reply = lambda _: answer({"error": "token refused"}, 429, **{"Retry-After": "120"})
    await house.send(chain=CHAIN, max_in_flight=4)
    assert await house.states() == "a" * 40
    assert len(set(house.second.ids)) == len(house.second.ids) == 40
    assert len(house.gateway.ids) < 20
    (held,) = (await house.views.sender(SENDER)).held
    assert held.backing_off_until_ms > (await house.view()).created_ms + 100_000


async def test_a_first_that_is_back_is_found_by_one_message_and_gets_the_rest(house: House) -> None:
    await house.submit(100, fallbacks=["second"])
    back = asyncio.Event()
    house.gateway.reply = lambda _: None if back.is_set() else NotSent(Failure.REFUSED)
    async with house.worker(chain=CHAIN, rates={SENDER: 50}) as worker:
        await house.issue(worker)
        await until(lambda: len(house.second.ids) >= 5)
        tried = len(house.gateway.ids)
        back.set()
        await worker.quiet()
    assert await house.states() == "a" * 100
    by_first, by_second = set(house.gateway.ids[tried:]), set(house.second.ids)
    assert len(by_first) == len(house.gateway.ids) - tried >= 20
    assert by_first.isdisjoint(by_second)
    assert by_first | by_second == _ids(range(100))


async def test_a_campaign_that_waits_for_its_only_provider_does_not_hold_up_one_with_two(house: House) -> None:
    two = CampaignId("another1")
    await house.submit(3)
    await house.submit(30, campaign=two, fallbacks=["second"], text="Hello {#var#}")
    house.gateway.reply = lambda _: answer({"error": "slow down"}, 429, **{"Retry-After": "60"})
    async with house.worker(chain=CHAIN) as worker:
        await house.issue(worker)
        await until(lambda: len(house.second.ids) == 30, within_s=3)
        await until(lambda: len(worker.ended) == 1)
    assert await house.states(two) == "a" * 30
    assert await house.states() == "ppp"


async def test_a_campaign_that_waits_with_all_its_batches_out_makes_room_for_one_with_two(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_module, "_LONGEST_SLEEP_S", 0.05)
    two = CampaignId("another1")
    await house.submit(40, batch_size=1)
    house.gateway.reply = lambda _: answer({"error": "slow down"}, 429, **{"Retry-After": "60"})
    async with house.worker(chain=CHAIN, max_in_flight=2) as worker:
        assert len(await house.issue(worker)) == 16
        await until(lambda: house.gateway.ids)
        await house.submit(30, campaign=two, fallbacks=["second"], text="Hello {#var#}")
        await until(lambda: len(house.second.ids) == 30, within_s=5)
    assert await house.states() == "p" * 40
    assert len(house.rung) < 40, "who has to wait is not rung for again and again"


async def test_a_fallback_that_the_worker_does_not_know_is_passed_over_and_said(house: House) -> None:
    await house.submit(20, fallbacks=["nobody", "second"])
    house.gateway.reply = lambda _: refused(2070)
    with capture_logs() as logs:
        worker = await house.send(chain=CHAIN, max_in_flight=5)
    assert await house.states() == "a" * 20
    assert len(set(house.second.ids)) == len(house.second.ids) == 20
    assert worker.ended == ["done"]
    braked = {held.provider: held.brake for held in (await house.views.sender(SENDER)).held}
    assert braked == {"times": "authentication failure (2070)", "nobody": "it is not in the worker's settings"}
    assert "nobody" in {log.get("provider") for log in logs if log["event"] == "provider braked"}


async def test_when_both_refuse_their_accounts_the_batch_goes_back_and_each_says_why(house: House) -> None:
    await house.submit(6, fallbacks=["second"])
    house.gateway.reply = lambda _: refused(2070)
    house.second.reply = lambda _: refused(6001)
    async with house.worker(chain=CHAIN) as worker:
        await house.issue(worker)
        await worker.quiet()
        assert worker.ended == ["provider_braked"]
    assert await house.states() == "pppppp"
    assert (await house.view()).reason == (
        "provider times is braked: authentication failure (2070); "
        "provider second is braked: insufficient balance (6001); "
        "when that is mended: dispatch sender resume TIMESM"
    )


async def test_when_no_provider_is_left_the_batch_goes_back_and_is_not_rung_again(house: House) -> None:
    await house.submit(6, fallbacks=["nobody"])
    house.gateway.reply = lambda _: refused(2070)
    async with house.worker() as worker:
        await house.issue(worker)
        await worker.quiet()
        assert worker.ended == ["provider_braked"]
        assert await house.issue(worker) == []
    assert await house.states() == "pppppp"


@pytest.mark.parametrize("refused_first", [True, False])
async def test_outcomes_of_two_providers_that_come_together_are_told_apart(house: House, refused_first: bool) -> None:
    await house.submit(2, fallbacks=["second"])
    (ref,) = await house.issue()
    lease = await house.work.take(ref)
    assert lease
    first = await house.work.open_block(lease, max_messages=1, operation=new_operation())
    await house.control.brake_provider(SENDER, "times", "for a moment")
    second = await house.work.open_block(lease, max_messages=1, operation=new_operation())
    await house.control.resume_sender(SENDER)
    assert isinstance(first, Block)
    assert isinstance(second, Block)

    async def nothing(*_: object) -> None:
        pass

    recorder = Recorder(
        lease,
        work=house.work,
        chain=CHAIN,
        patience=LedgerRetry(ref),
        keep=asyncio.create_task,
        on_provider_brake=nothing,
        before=nothing,
        on_returned=lambda: None,
        on_lost=lambda: None,
    )
    not_sent = Pushed(0, first.number, Outcome(Verdict.NOT_SENT, 2, reason="refused"), 1, first.chain_index)
    accepted = Pushed(1, second.number, Outcome(Verdict.ACCEPTED, 200), 1, second.chain_index)
    for pushed in (not_sent, accepted) if refused_first else (accepted, not_sent):
        recorder.add(pushed)
    assert recorder.task
    await recorder.task
    # What the second accepted says nothing about the first.
    assert [held.provider for held in (await house.views.sender(SENDER)).held] == ["times"]
    assert await house.states() == "pa"
    await house.work.release(lease)
