"""Two providers of a sender: the messages that go to the second provider, and the messages that never do."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from tests.kit.fake_provider import answer, described_provider, refused
from tests.kit.waiting import eventually
from tests.kit.workers import CAMPAIGN, SENDER, WorkerRig
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.states import CampaignState
from times_dispatch.provider.client import Client
from times_dispatch.provider.correlation_ids import CorrelationIds
from times_dispatch.provider.description.provider import Provider
from times_dispatch.provider.failures import Failure
from times_dispatch.provider.push_errors import NotSent
from workers.batch.batch_run import BatchEnd
from workers.batch.timings import BatchTimings

CHAIN = ("times", "second")


def _ids(rows: Sequence[int]) -> set[str]:
    """The ids of the first attempts."""
    ids = CorrelationIds(b"an-id-key-of-enough-bytes")
    return {ids.make(CAMPAIGN, row, 0) for row in rows}


async def test_when_the_first_refuses_connections_everything_arrives_at_the_second_once(
    rig: WorkerRig, unused_tcp_port: int
) -> None:
    await rig.submit(120, batch_size=40, fallbacks=["second"])

    def client(description: Provider) -> Client:
        # The first provider has a real client, and a port on which no server listens.
        nowhere = described_provider("times", f"http://127.0.0.1:{unused_tcp_port}/ct")
        return Client(nowhere) if description.nickname == "times" else rig.client(description)

    await rig.send(chain=CHAIN, make_client=client, max_in_flight=20)
    assert await rig.states() == "a" * 120
    assert len(rig.second_provider.ids) == 120
    assert set(rig.second_provider.ids) == _ids(range(120))
    view = await rig.view()
    assert view.state is CampaignState.FINISHED
    assert set(view.codes) == {f"retry:{Failure.REFUSED.value}"}


async def test_when_the_first_refuses_the_account_the_rest_goes_through_the_second_at_once(rig: WorkerRig) -> None:
    await rig.submit(30, fallbacks=["second"])
    rig.provider.reply = lambda _: refused(2070)
    async with rig.worker(chain=CHAIN, rates={SENDER: 0, "OTHERS": 0}, max_in_flight=5) as worker:
        await rig.issue(worker)
        await worker.quiet()
    assert await rig.states() == "a" * 30
    assert len(rig.second_provider.ids) == 30
    assert set(rig.second_provider.ids) == _ids(range(30))
    assert set(rig.provider.ids) < set(rig.second_provider.ids)  # the first provider refused these messages
    for sender in (SENDER, SenderId("OTHERS")):
        (held,) = (await rig.queries.sender(sender)).unavailable
        assert (held.provider, held.brake) == ("times", "authentication failure (2070)")


async def test_a_fallback_that_refuses_its_account_is_braked_for_every_sender_that_falls_back_on_it(
    rig: WorkerRig,
) -> None:
    await rig.submit(3, provider="second")
    rig.second_provider.reply = lambda _: refused(2070)
    async with rig.worker(chain=CHAIN, rates={SENDER: 0, "OTHERS": 0}) as worker:
        await rig.issue(worker)
        await worker.quiet()
    (held,) = (await rig.queries.sender(SenderId("OTHERS"))).unavailable
    assert held.provider == "second"


@asynccontextmanager
async def _resetting() -> AsyncIterator[tuple[str, list[bytes]]]:
    """Serve requests: each is read whole, and then its connection is reset. Yield the URL and the list of requests."""
    read: list[bytes] = []

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = next(line for line in head.lower().splitlines() if line.startswith(b"content-length:"))
        read.append(await reader.readexactly(int(size.partition(b":")[2])))
        writer.transport.abort()

    async with await asyncio.start_server(swallow, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/ct", read


async def test_a_message_in_doubt_at_the_first_provider_is_not_sent_through_the_second(rig: WorkerRig) -> None:
    await rig.submit(60, fallbacks=["second"])
    async with _resetting() as (endpoint, read):

        def client(description: Provider) -> Client:
            return (
                Client(described_provider("times", endpoint))
                if description.nickname == "times"
                else rig.client(description)
            )

        await rig.send(chain=CHAIN, make_client=client, rates={SENDER: 200})
    states = await rig.states()
    doubted = [row for row, state in enumerate(states) if state == "i"]
    assert 1 <= len(doubted) == len(read) < 60
    assert states.count("a") == 60 - len(doubted)
    assert len(rig.second_provider.ids) == 60 - len(doubted)
    assert set(rig.second_provider.ids) == _ids(range(60)) - _ids(doubted)
    assert (await rig.view()).state is CampaignState.FINISHED


async def test_a_first_that_asks_for_two_minutes_is_left_alone_while_the_second_sends(rig: WorkerRig) -> None:
    await rig.submit(40, fallbacks=["second"])
    rig.provider.reply = lambda _: answer({"error": "token refused"}, 429, **{"Retry-After": "120"})
    await rig.send(chain=CHAIN, max_in_flight=4)
    assert await rig.states() == "a" * 40
    assert len(set(rig.second_provider.ids)) == len(rig.second_provider.ids) == 40
    assert len(rig.provider.ids) < 20
    (held,) = (await rig.queries.sender(SENDER)).unavailable
    assert held.backing_off_until_ms > (await rig.view()).created_ms + 100_000


@pytest.mark.slow  # sends at a limited rate
async def test_a_first_that_is_back_is_found_by_one_message_and_gets_the_rest(rig: WorkerRig) -> None:
    await rig.submit(100, fallbacks=["second"])
    back = asyncio.Event()
    rig.provider.reply = lambda _: None if back.is_set() else NotSent(Failure.REFUSED)
    async with rig.worker(chain=CHAIN, rates={SENDER: 50}) as worker:
        await rig.issue(worker)
        await eventually(lambda: len(rig.second_provider.ids) >= 5)
        tried = len(rig.provider.ids)
        back.set()
        await worker.quiet()
    assert await rig.states() == "a" * 100
    by_first, by_second = set(rig.provider.ids[tried:]), set(rig.second_provider.ids)
    assert len(by_first) == len(rig.provider.ids) - tried >= 20
    assert by_first.isdisjoint(by_second)
    assert by_first | by_second == _ids(range(100))


async def test_a_campaign_that_waits_for_its_only_provider_does_not_hold_up_one_with_two(rig: WorkerRig) -> None:
    two = CampaignId("another1")
    await rig.submit(3)
    await rig.submit(30, campaign=two, fallbacks=["second"], text="Hello {#var#}")
    rig.provider.reply = lambda _: answer({"error": "slow down"}, 429, **{"Retry-After": "60"})
    async with rig.worker(chain=CHAIN) as worker:
        await rig.issue(worker)
        await eventually(lambda: len(rig.second_provider.ids) == 30)
        await eventually(lambda: len(worker.ended) == 1)
    assert await rig.states(two) == "a" * 30
    assert await rig.states() == "ppp"


async def test_a_campaign_that_waits_with_all_its_batches_out_makes_room_for_one_with_two(rig: WorkerRig) -> None:
    two = CampaignId("another1")
    await rig.submit(40, batch_size=1)
    rig.provider.reply = lambda _: answer({"error": "slow down"}, 429, **{"Retry-After": "60"})
    async with rig.worker(chain=CHAIN, max_in_flight=2, timings=BatchTimings(max_sleep_s=0.05)) as worker:
        assert len(await rig.issue(worker)) == 16
        await eventually(lambda: rig.provider.ids)
        await rig.submit(30, campaign=two, fallbacks=["second"], text="Hello {#var#}")
        await eventually(lambda: len(rig.second_provider.ids) == 30)
    assert await rig.states() == "p" * 40
    assert len(rig.woken) < 40, "workers are not woken again and again for a batch that has to wait"


async def test_a_fallback_that_the_worker_does_not_know_is_passed_over_and_logged(rig: WorkerRig) -> None:
    await rig.submit(20, fallbacks=["nobody", "second"])
    rig.provider.reply = lambda _: refused(2070)
    with capture_logs() as logs:
        worker = await rig.send(chain=CHAIN, max_in_flight=5)
    assert await rig.states() == "a" * 20
    assert len(set(rig.second_provider.ids)) == len(rig.second_provider.ids) == 20
    assert worker.ended == [BatchEnd.DONE]
    braked = {held.provider: held.brake for held in (await rig.queries.sender(SENDER)).unavailable}
    assert braked == {"times": "authentication failure (2070)", "nobody": "it is not in the worker's settings"}
    assert "nobody" in {log.get("provider") for log in logs if log["event"] == "provider braked"}


async def test_when_both_providers_refuse_their_accounts_the_batch_is_released_and_each_brake_has_a_reason(
    rig: WorkerRig,
) -> None:
    await rig.submit(6, fallbacks=["second"])
    rig.provider.reply = lambda _: refused(2070)
    rig.second_provider.reply = lambda _: refused(6001)
    async with rig.worker(chain=CHAIN) as worker:
        await rig.issue(worker)
        await worker.quiet()
        assert worker.ended == ["provider_braked"]
    assert await rig.states() == "pppppp"
    assert (await rig.view()).reason == (
        "provider times is braked: authentication failure (2070); "
        "provider second is braked: insufficient balance (6001); "
        "when that is fixed: dispatch sender resume TIMESM"
    )


async def test_when_no_provider_is_left_the_batch_is_released_and_wakes_nobody_again(rig: WorkerRig) -> None:
    await rig.submit(6, fallbacks=["nobody"])
    rig.provider.reply = lambda _: refused(2070)
    async with rig.worker() as worker:
        await rig.issue(worker)
        await worker.quiet()
        assert worker.ended == ["provider_braked"]
        assert await rig.issue(worker) == []
    assert await rig.states() == "pppppp"
