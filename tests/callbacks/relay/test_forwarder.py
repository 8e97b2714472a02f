"""Forwarding to a small real HTTP server that fails, hangs and dies: nothing is lost, and each message is in order."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from callbacks.dead_letters import DeadLetterReason, DeadLetters
from callbacks.relay.forward_queue import ForwardedEvent, ForwardLimits, ForwardQueue, lane_of
from callbacks.relay.forwarder import Forwarder, ForwarderLimits
from tests.kit.mirror_host import MirrorHost, Misbehaviour
from tests.kit.waiting import eventually
from times_dispatch.ledger.keys import FORWARD_OWNER
from times_dispatch.ledger.reports.forward_backlog import read_forward_backlog

QUICK = ForwarderLimits(
    idle_s=0.02,
    first_wait_s=0.02,
    max_wait_s=0.1,
    first_message_wait_s=0.1,
    max_message_wait_s=0.2,
    lease_ms=600,
    renew_every_s=0.1,
    max_rows=20,
)


def quick(redis: Redis, host: MirrorHost, **limits: Any) -> Forwarder:
    return Forwarder(
        redis,
        host.url,
        limits=QUICK,
        queue_limits=ForwardLimits(**limits),
        timeout=aiohttp.ClientTimeout(total=0.3),
        rng=random.Random(1),
    )


@asynccontextmanager
async def running(*forwarders: Forwarder) -> AsyncIterator[asyncio.Event]:
    stop = asyncio.Event()
    tasks = [asyncio.create_task(forwarder.run(stop)) for forwarder in forwarders]
    try:
        yield stop
    finally:
        stop.set()
        await asyncio.wait_for(asyncio.gather(*tasks), 30)


def click(meta: str, number: int) -> ForwardedEvent:
    return ForwardedEvent("clicked", meta, msgspec.json.encode({"ts": 1, "meta": meta, "url": str(number)}))


async def queue_clicks(redis: Redis, metas: Sequence[str], count: int) -> None:
    """Queue clicks of each message, numbered from 0; each click has an entry id of its own."""
    queue = ForwardQueue(redis)
    now_ms = int((await redis.time())[0]) * 1000
    events = [(meta, number) for number in range(count) for meta in metas]
    await queue.add_all([(f"{now_ms}-{at}".encode(), 0, click(*event)) for at, event in enumerate(events)])


async def is_empty(redis: Redis) -> bool:
    return (await read_forward_backlog(redis)).events == 0


def in_order(count: int) -> list[str]:
    return [f"clicked {number}" for number in range(count)]


METAS = [f"message{number}" for number in range(30)]


def sometimes(share: float, statuses: Sequence[int]) -> Misbehaviour:
    rng = random.Random(7)
    return lambda _: rng.choice(statuses) if rng.random() < share else None


@pytest.mark.parametrize("statuses", [[500], [503, 429, 408], [0], [-1], [500, 0, -1, 503]])
@pytest.mark.parametrize("takes", [False, True])
async def test_a_host_that_fails_now_and_then_gets_every_event_and_those_of_a_message_in_order(
    redis: Redis, mirror: MirrorHost, statuses: list[int], takes: bool
) -> None:
    mirror.misbehave, mirror.takes_before_misbehaving = sometimes(0.4, statuses), takes
    metas = METAS[:10]
    await queue_clicks(redis, metas, 10)
    async with running(quick(redis, mirror)):
        await eventually(lambda: is_empty(redis))
    assert {meta: mirror.of(meta) for meta in metas} == dict.fromkeys(metas, in_order(10))
    assert await DeadLetters(redis).count() == {}
    assert (await read_forward_backlog(redis)).totals == {"taken": 100}


async def test_two_forwarders_that_are_stopped_in_turn_lose_nothing_and_keep_the_order(
    redis: Redis, mirror: MirrorHost
) -> None:
    mirror.misbehave = sometimes(0.3, [500, 0])
    await queue_clicks(redis, METAS, 10)
    for _ in range(4):
        posts = mirror.posts
        async with running(quick(redis, mirror), quick(redis, mirror)):
            await eventually(lambda posts=posts: mirror.posts > posts)  # type: ignore[misc]
    async with running(quick(redis, mirror), quick(redis, mirror)):
        await eventually(lambda: is_empty(redis))
    assert {meta: mirror.of(meta) for meta in METAS} == dict.fromkeys(METAS, in_order(10))


async def test_while_the_host_is_away_few_posts_are_tried_and_afterwards_all_is_posted(
    redis: Redis, mirror: MirrorHost
) -> None:
    mirror.misbehave = lambda _: 503
    await queue_clicks(redis, METAS, 10)
    async with running(quick(redis, mirror)):
        await eventually(lambda: asyncio.sleep(0, mirror.posts > 60))
        assert mirror.taken == []
        mirror.misbehave = lambda _: None
        await eventually(lambda: is_empty(redis))
    assert {meta: mirror.of(meta) for meta in METAS} == dict.fromkeys(METAS, in_order(10))


def of_lane(lane: int, count: int) -> list[str]:
    """Return ids of messages whose events are in one lane."""
    every = (f"message{number}" for number in range(10_000))
    return [meta for meta in every if lane_of(meta) == lane][:count]


@pytest.mark.parametrize("status", [500, 0])
async def test_a_message_that_fails_alone_holds_up_no_other_message_and_none_of_its_own_events_overtakes(
    redis: Redis, mirror: MirrorHost, status: int
) -> None:
    metas = of_lane(3, 12)
    bad = metas[0]
    mirror.misbehave = lambda events: (
        status if any((row["meta"], row["url"]) == (bad, "2") for _, row in events) else None
    )
    await queue_clicks(redis, metas, 6)
    async with running(quick(redis, mirror)):

        async def others_are_posted() -> bool:
            return (await read_forward_backlog(redis)).events == 4

        await eventually(others_are_posted)
        assert mirror.of(bad) == in_order(2)
        assert {meta: mirror.of(meta) for meta in metas[1:]} == dict.fromkeys(metas[1:], in_order(6))
        mirror.misbehave = lambda _: None
        await eventually(lambda: is_empty(redis))
    assert mirror.of(bad) == in_order(6)


@pytest.mark.parametrize("status", [400, 404, 413, 302])
async def test_events_that_are_refused_alone_become_dead_letters_and_all_others_are_posted(
    redis: Redis, mirror: MirrorHost, status: int
) -> None:
    refused = {("message3", "4"), ("message7", "0")}
    mirror.misbehave = lambda events: status if any((row["meta"], row["url"]) in refused for _, row in events) else None
    await queue_clicks(redis, METAS, 6)
    async with running(quick(redis, mirror)):
        await eventually(lambda: is_empty(redis))
    assert len(mirror.taken) == 6 * len(METAS) - 2
    letters = await DeadLetters(redis).oldest()
    assert {letter.reason for letter in letters} == {DeadLetterReason.FORWARD_REFUSED}
    rows = [msgspec.json.decode(letter.body)[0]["data"][0] for letter in letters]
    assert {(row["meta"], row["url"]) for row in rows} == refused
    assert (await read_forward_backlog(redis)).totals == {"taken": 178, "refused": 2}


async def test_a_refused_event_is_forwarded_again_by_a_replay(redis: Redis, mirror: MirrorHost) -> None:
    mirror.misbehave = lambda _: 400
    await queue_clicks(redis, METAS[:1], 1)
    async with running(quick(redis, mirror)):
        await eventually(lambda: is_empty(redis))
        mirror.misbehave = lambda _: None
        assert await DeadLetters(redis).replay() == 1
        await eventually(lambda: is_empty(redis))
    assert mirror.of("message0") == in_order(1)
    assert await DeadLetters(redis).count() == {}
    assert await redis.xlen("reports") == 0


async def test_events_that_wait_too_long_are_dropped_and_said(redis: Redis, mirror: MirrorHost) -> None:
    await ForwardQueue(redis).add_all([(b"1-0", 0, click("message0", 0))])
    with capture_logs() as lines:
        async with running(quick(redis, mirror, max_age_s=3_600)):
            await eventually(lambda: is_empty(redis))
    assert [line["events"] for line in lines if "dropped" in line["event"]] == [1]
    assert (await read_forward_backlog(redis)).dropped == 1


async def test_another_forwarder_takes_over_when_the_one_that_forwards_dies(redis: Redis, mirror: MirrorHost) -> None:
    await redis.set(FORWARD_OWNER, "a process that was killed", px=300)
    await queue_clicks(redis, METAS, 1)
    async with running(quick(redis, mirror)):
        await eventually(lambda: is_empty(redis))
    assert len(mirror.taken) == len(METAS)
    assert await redis.get(FORWARD_OWNER) is None


async def test_the_url_is_in_no_log_line(redis: Redis, mirror: MirrorHost) -> None:
    mirror.misbehave = sometimes(0.5, [500, 0, 404])
    await queue_clicks(redis, METAS, 2)
    with capture_logs() as lines:
        async with running(quick(redis, mirror)):
            await eventually(lambda: is_empty(redis))
    assert lines
    assert "secret-account" not in repr(lines)
    assert "message1" not in repr(lines)
