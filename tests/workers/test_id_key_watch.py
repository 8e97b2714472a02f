"""A worker with another id key than the ledger records pushes nothing, and ends."""

import asyncio
import random

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisAway
from structlog.testing import capture_logs

from tests.kit.clock import FakeClock
from tests.kit.workers import ID_KEY, WorkerRig
from times_dispatch.ledger.errors import IdKeyRefused, LedgerNewer
from times_dispatch.ledger.id_key import MAKE_S, IdKeyGuard
from times_dispatch.ledger.keys import ID_KEY as ID_KEY_RECORD
from times_dispatch.ledger.keys import SCHEMA
from times_dispatch.ledger.schema import MAJOR
from times_dispatch.ledger.states import MessageState
from workers.id_key_watch import IdKeyWatch

NEW_KEY = b"the-new-id-key-of-enough-bytes"


class Watch:
    """The watch of a process that has only the first key, and the errors that the watch reported."""

    def __init__(self, redis: Redis, clock: FakeClock) -> None:
        self.refusals: list[IdKeyRefused | LedgerNewer] = []
        guard = IdKeyGuard(redis, ID_KEY)
        self.watch = IdKeyWatch(redis, guard, on_refused=self.refusals.append, clock=clock, rng=random.Random(1))


async def change_key(redis: Redis, *, ago_s: int = 0) -> None:
    await IdKeyGuard(redis, NEW_KEY, ID_KEY).register()
    await redis.hincrby(ID_KEY_RECORD, "changed_ms", -ago_s * 1000)


async def test_the_recorded_key_may_make_ids(redis: Redis) -> None:
    process = Watch(redis, FakeClock())
    assert await process.watch.register()
    assert process.refusals == []


async def test_another_key_may_not(redis: Redis) -> None:
    await IdKeyGuard(redis, NEW_KEY).register()
    process = Watch(redis, FakeClock())
    assert not await process.watch.register()
    assert "DISPATCH_ID_KEY is not the key" in str(process.refusals)


async def test_a_process_makes_no_ids_for_a_ledger_that_is_newer(redis: Redis) -> None:
    await redis.hset(SCHEMA, mapping={"major": MAJOR + 1, "minor": 0, "version": "9.0"})
    process = Watch(redis, FakeClock())
    assert not await process.watch.register()
    assert "start that version" in str(process.refusals)
    assert not await redis.exists(ID_KEY_RECORD)


async def test_a_ledger_that_is_away_at_the_start_is_tried_until_it_is_back(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, failures = FakeClock(auto=True), [RedisAway("at redis://:swordfish@host")] * 2
    evaluate = redis.eval

    async def eval_when_back(*arguments: object) -> object:
        if failures:
            raise failures.pop()
        return await evaluate(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(redis, "eval", eval_when_back)
    with capture_logs() as logs:
        assert await Watch(redis, clock).watch.register()
    assert len(clock.slept) == 2
    assert [log["doing"] for log in logs] == ["start"] * 2
    assert "swordfish" not in str(logs)


async def test_a_running_process_is_warned_of_a_change_and_ends_some_days_later(redis: Redis) -> None:
    clock = FakeClock()
    process = Watch(redis, clock)
    await process.watch.register()
    running = asyncio.create_task(process.watch.run())
    with capture_logs() as logs:
        await clock.advance(300)
        await change_key(redis)
        await clock.advance(300)
        async with asyncio.timeout(30):
            while not logs:
                await asyncio.sleep(0.01)
    assert process.refusals == []
    assert [log["event"] for log in logs] == ["id key"]
    await redis.hincrby(ID_KEY_RECORD, "changed_ms", -MAKE_S * 1000)
    async with asyncio.timeout(30):
        while not running.done():
            await clock.advance(300)
            await asyncio.sleep(0.01)
    assert "still the previous key" in str(process.refusals)


async def test_a_worker_with_another_key_pushes_nothing(redis: Redis, rig: WorkerRig) -> None:
    await IdKeyGuard(redis, NEW_KEY).register()
    await rig.submit(3)
    async with rig.worker() as worker:
        await rig.issue(worker)
        async with asyncio.timeout(30):
            while not rig.refusals:
                await asyncio.sleep(0.01)
        for _ in range(200):  # a batch that may begin is pushed after a few calls
            await redis.ping()
        assert rig.provider.arrived == []
    assert await rig.count(MessageState.PENDING) == 3


async def test_workers_with_the_old_and_the_new_key_send_side_by_side(redis: Redis, rig: WorkerRig) -> None:
    await rig.submit(2, batch_size=1)
    async with rig.worker() as not_yet_changed:
        async with asyncio.timeout(30):
            while not await redis.exists(ID_KEY_RECORD):
                await asyncio.sleep(0.01)
        async with rig.worker(id_key=NEW_KEY, old_id_key=ID_KEY) as changed:
            first, second = await rig.issue()
            not_yet_changed.wake([first])
            changed.wake([second])
            await not_yet_changed.quiet()
            await changed.quiet()
    assert rig.refusals == []
    assert await rig.count(MessageState.ACCEPTED) == 2
