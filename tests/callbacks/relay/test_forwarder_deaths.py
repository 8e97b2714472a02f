"""Reconciler processes with forwarding that are killed: no event is lost, and the events of a message stay in order."""

import asyncio
import random
import time

import pytest
from redis.asyncio import Redis

from callbacks.streams import REPORTS
from tests.kit.callbacks import ID_KEY, NOW_S, SECRET, Processes, SentCampaign, posted
from tests.kit.mirror_host import MirrorHost
from tests.kit.reconciler import accept
from tests.kit.waiting import eventually
from times_dispatch.ledger.keys import FORWARD_OWNER
from times_dispatch.ledger.reports.forward_backlog import read_forward_backlog
from times_dispatch.ledger.states import MessageState

pytestmark = pytest.mark.processes

CLICKS = 12


def click(meta: str, number: int) -> bytes:
    return posted("clicked", {"ts": NOW_S + number, "meta": meta, "url": f"https://a.example/{number}"})


async def test_copies_survive_the_death_of_reconcilers_and_come_in_order(
    redis: Redis, redis_url: str, sent: SentCampaign, processes: Processes, mirror: MirrorHost
) -> None:
    rng = random.Random(5)
    mirror.misbehave = lambda _: rng.choice([503, 0, *[None] * 8])
    mirror.takes_before_misbehaving = True
    environment = {"DISPATCH_CALLBACKS_FORWARD_URL": mirror.url}
    running = [processes.reconciler(redis_url, **environment) for _ in range(2)]
    for number in range(CLICKS):
        for index in range(sent.total):
            await accept(redis, click(sent.meta(index), number))
        if number in {3, 7}:
            await eventually(lambda: asyncio.sleep(0, mirror.posts > 0))
            running.pop(0).kill()
            await redis.delete(FORWARD_OWNER)  # so that the test need not wait for the end of the lease
            running.append(processes.reconciler(redis_url, **environment))

    async def is_over() -> bool:
        return not await redis.xlen(REPORTS) and not (await read_forward_backlog(redis)).events

    await eventually(is_over, within_s=90)
    expected = [f"clicked https://a.example/{number}" for number in range(CLICKS)]
    assert {index: mirror.of(sent.meta(index)) for index in range(sent.total)} == dict.fromkeys(
        range(sent.total), expected
    )
    assert "secret-account" not in processes.logs()


async def test_a_host_that_hangs_delays_no_report(
    redis: Redis, redis_url: str, sent: SentCampaign, processes: Processes, mirror: MirrorHost
) -> None:
    mirror.misbehave = lambda _: -1
    process = processes.reconciler(redis_url, DISPATCH_CALLBACKS_FORWARD_URL=mirror.url)
    for index in range(sent.total // 2):
        await accept(redis, posted("delivered", {"ts": NOW_S, "meta": sent.meta(index)}))
    await eventually(lambda: asyncio.sleep(0, mirror.posts > 0))
    began = time.monotonic()
    for index in range(sent.total):
        await accept(redis, posted("delivered", {"ts": NOW_S, "meta": sent.meta(index)}))

    async def is_applied() -> bool:
        return await sent.count(MessageState.DELIVERED) == sent.total and not await redis.xlen(REPORTS)

    await eventually(is_applied)
    assert time.monotonic() - began < 60  # takes a fraction of a second on a quiet machine
    process.terminate()
    assert await asyncio.to_thread(process.wait, 120) == 0
    assert (await read_forward_backlog(redis)).events == sent.total * 3 // 2
    assert SECRET not in processes.logs()
    assert ID_KEY not in processes.logs()
