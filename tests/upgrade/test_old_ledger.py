"""This version reads, finishes and recounts a ledger that the last release left in the middle of its work."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis import Redis as SyncRedis
from redis.asyncio import Redis

from callbacks.dead_letters import DeadLetterReason, DeadLetters
from callbacks.relay.foreign_relay import ForeignRelay, RelayLimits
from callbacks.streams import RELAY, REPORTS
from tests.kit.ledger import Ledger
from tests.kit.ledger_machine.clock import MachineClock, machine_clock
from tests.kit.mirror_host import serving_mirror
from tests.kit.reconciler import make_reconciler
from tests.upgrade import snapshot
from tests.upgrade.snapshot import Snapshot
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.monitoring.heartbeats import read_processes
from times_dispatch.ledger.numbers.opt_outs import Listed, OptOuts
from times_dispatch.ledger.states import CampaignState, MessageState
from times_dispatch.ledger.statistics.recount import Recount
from times_dispatch.ledger.trail import Trail, TrailAction
from times_dispatch.provider.correlation_ids import CorrelationIds

SENDER = SenderId("TIMESM")


class OldLedger:
    """The ledger of the snapshot, with a clock that begins at the time of the snapshot."""

    def __init__(self, redis: Redis, clock: MachineClock, taken: Snapshot) -> None:
        self.redis = redis
        self.clock = clock
        self.taken = taken
        self.ledger = Ledger(redis)
        self.done, self.half_sent, self.paused = (CampaignId(id_) for id_ in taken.campaigns.values())

    async def go_on(self, seconds: float) -> None:
        self.clock.now_us += round(seconds * 1e6)
        await self.clock.write(self.redis)

    async def reconcile(self) -> None:
        """Let a reconciler of this version apply waiting entries, and entries that killed reconcilers held."""
        reconciler = make_reconciler(self.redis, keys=(self.taken.id_key, ""), relaying=True)
        for _ in range(200):
            await reconciler.step()
            if not await self.redis.xlen(REPORTS):
                return
        raise AssertionError("reports are left")

    async def differences(self) -> list[str]:
        recounted = await Recount(self.redis).all()
        return [*map(str, recounted.differences), *recounted.moving]


@pytest.fixture
async def old(redis: Redis, redis_url: str) -> AsyncIterator[OldLedger]:
    taken = snapshot.read()
    with SyncRedis.from_url(redis_url) as plain:
        snapshot.restore_keys(plain, taken.keys)
    with machine_clock(redis) as clock:
        old = OldLedger(redis, clock, taken)
        clock.now_us = taken.taken_us
        await old.go_on(0)
        yield old


async def test_campaigns_and_people_of_the_last_release_are_shown(old: OldLedger) -> None:
    views = {view.id: view for view in await old.ledger.queries.campaigns()}
    assert {id_: view.state for id_, view in views.items()} == {
        old.done: CampaignState.FINISHED,
        old.half_sent: CampaignState.RUNNING,
        old.paused: CampaignState.PAUSED,
    }
    assert all(view.counters_add_up for view in views.values())
    assert views[old.paused].reason == "wrong price"
    assert [len([message async for message in old.ledger.queries.messages(id_)]) for id_ in views] == [
        view.total for view in views.values()
    ]
    assert await OptOuts(old.redis).contains([old.taken.opted_out.removeprefix("+")]) == [Listed.OPTED_OUT]
    actions = [entry.action for entry in await Trail(old.redis).newest([SENDER], limit=100)]
    assert TrailAction.PAUSED in actions
    assert {process.record.kind for process in (await read_processes(old.redis)).processes} >= {"worker", "receiver"}
    assert await old.differences() == []


async def test_reports_clicks_and_replies_that_the_last_release_stored_settle_as_the_provider_said(
    old: OldLedger,
) -> None:
    await old.reconcile()
    ids = CorrelationIds(old.taken.id_key.encode())
    said = {entry.id: entry for entry in old.taken.books}
    wrong, found = list[str](), 0
    for campaign in (old.done, old.half_sent, old.paused):
        for message in await old.ledger.messages(campaign):
            state = message.record.state
            if not (entry := said.get(ids.make(campaign, message.index, message.record.attempt))):
                if state not in {MessageState.PENDING, MessageState.SENDING}:
                    wrong.append(f"message {message.index} of {campaign}: {state.label}, but no provider accepted it")
                continue
            found += 1
            expected = {"delivered": MessageState.DELIVERED, "failed": MessageState.FAILED}[entry.event]
            if state is not expected or (state is MessageState.FAILED and str(message.record.code) != entry.code):
                wrong.append(f"message {message.index} of {campaign}: {state.label}, not {entry.event} {entry.code}")
    assert wrong == []
    assert found == len(said)
    assert await DeadLetters(old.redis).count() == {DeadLetterReason.UNREADABLE: 1}
    stats = (await old.ledger.view(old.half_sent)).stats
    assert stats["clicked"] > 0
    assert stats["replied"] > 0
    assert await OptOuts(old.redis).count() > 1
    assert await old.differences() == []


async def test_reports_of_another_system_that_waited_for_the_relay_are_posted_and_dead_letters_replayed(
    old: OldLedger,
) -> None:
    await old.reconcile()
    waiting, stop = await old.redis.xlen(RELAY), asyncio.Event()
    assert waiting > 0
    async with serving_mirror() as mirror:
        limits = RelayLimits(block_ms=50, claim_every_s=0.05)
        relay = asyncio.create_task(ForeignRelay(old.redis, mirror.url, limits=limits).run(stop))
        async with asyncio.timeout(120):
            while await old.redis.xlen(RELAY):
                await asyncio.sleep(0.05)
        stop.set()
        await relay
    assert mirror.posts == waiting
    letters = DeadLetters(old.redis)
    assert await letters.replay() == 1
    await old.reconcile()
    assert await letters.count() == {DeadLetterReason.UNREADABLE: 1}


async def test_batches_that_killed_workers_of_the_last_release_had_begun_are_sent_to_their_ends(old: OldLedger) -> None:
    await old.reconcile()
    await old.go_on(20.0)
    assert (await old.ledger.maintenance.expire_leases(SENDER)).reclaimed
    while (await old.ledger.view(old.half_sent)).counts[MessageState.PENDING]:
        for ref in await old.ledger.issue(SENDER):
            lease = await old.ledger.take(ref)
            while (await old.ledger.view(old.half_sent)).counts[MessageState.PENDING]:
                await old.go_on(1.0)
                await old.ledger.record(lease, await old.ledger.open(lease), b"a")
            await old.ledger.leases.release(lease)
    view = await old.ledger.view(old.half_sent)
    assert (view.state, view.counters_add_up) == (CampaignState.FINISHED, True)
    assert view.counts[MessageState.ACCEPTED] > 0
    assert view.counts[MessageState.IN_DOUBT] == 0 or not view.counts[MessageState.SENDING]
    assert await old.ledger.state(old.paused) is CampaignState.PAUSED
    assert await old.differences() == []
