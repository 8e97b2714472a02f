"""No report circulates between relays that post to their own receiver or to each other."""

import asyncio
from typing import Any

from redis.asyncio import Redis

from callbacks.dead_letters import DeadLetterReason, DeadLetters
from callbacks.relay.foreign_relay import ForeignRelay, RelayLimits, enqueue
from callbacks.relay.via import MAX_RELAYS
from callbacks.streams import BODY, RELAY, REPORTS, VIA
from tests.kit.callbacks import posted, row, stored
from tests.kit.receiver import PATH, receiving
from tests.kit.reconciler import make_reconciler, settle
from tests.kit.waiting import eventually
from times_dispatch.ledger.connection import connect

FOREIGN = posted("delivered", row("of-another-system"))


async def test_a_receiver_refuses_what_a_relay_of_its_ledger_posts(redis: Redis) -> None:
    stop = asyncio.Event()
    async with receiving(redis) as http:
        relay = ForeignRelay(redis, f"{http.base_url}{PATH}", limits=RelayLimits(block_ms=50, claim_every_s=0.05))
        running = asyncio.create_task(relay.run(stop))
        await enqueue(redis, [FOREIGN])

        async def is_empty() -> bool:
            return await redis.xlen(RELAY) == 0

        await eventually(is_empty)
        stop.set()
        await asyncio.wait_for(running, 30)
    assert await stored(redis) == []
    (kept,) = await DeadLetters(redis).oldest()
    kept_times = sum((await DeadLetters(redis).count()).values())
    print(f"a relay that posts to itself: {kept_times} dead letter, nothing stored")  # noqa: T201
    assert (kept.reason, kept.body, kept_times) == (DeadLetterReason.RELAY_REFUSED, FOREIGN, 1)


async def test_a_receiver_takes_what_the_relay_of_another_ledger_posts(redis: Redis) -> None:
    async with receiving(redis) as http:
        for via in ("1.1 times-dispatch-0123456789abcdef", "1.1 proxy"):
            assert (await http.post(PATH, content=FOREIGN, headers={"via": via})).status_code == 200
    assert await stored(redis) == [FOREIGN, FOREIGN]


async def test_reports_that_go_round_over_two_relays_come_back_once_and_are_refused(
    redis: Redis, redis_url: str
) -> None:
    stop = asyncio.Event()
    limits = RelayLimits(block_ms=20, claim_every_s=0.05)
    async with (
        connect(redis_url.rpartition("/")[0] + "/1") as other,
        receiving(redis) as first,
        receiving(other) as second,
    ):
        relays = [
            asyncio.create_task(ForeignRelay(redis, f"{second.base_url}{PATH}", limits=limits).run(stop)),
            asyncio.create_task(ForeignRelay(other, f"{first.base_url}{PATH}", limits=limits).run(stop)),
        ]
        reconcilers = [make_reconciler(ledger, relaying=True) for ledger in (redis, other)]
        assert (await first.post(PATH, content=FOREIGN)).status_code == 200

        async def is_refused() -> bool:
            await settle(*reconcilers, steps=1)
            return bool(await DeadLetters(other).count())

        await eventually(is_refused)
        stop.set()
        await asyncio.wait_for(asyncio.gather(*relays), 30)
        (refused,) = await DeadLetters(other).oldest()
        entries = [int((await ledger.xinfo_stream(RELAY))["entries-added"]) for ledger in (redis, other)]
        print(f"a circle of two relays: {entries} posts until the report is refused")  # noqa: T201
        assert entries == [1, 1]
        assert (refused.reason, refused.body) == (DeadLetterReason.RELAY_REFUSED, FOREIGN)
        for ledger in (redis, other):
            assert [await ledger.xlen(stream) for stream in (RELAY, REPORTS)] == [0, 0]


async def test_a_receiver_refuses_what_came_by_too_many_relays(redis: Redis) -> None:
    async with receiving(redis) as http:
        for count, status in ((MAX_RELAYS, 200), (MAX_RELAYS + 1, 400)):
            via = ", ".join(f"1.1 times-dispatch-{number:016x}" for number in range(count))
            assert (await http.post(PATH, content=FOREIGN, headers={"via": via})).status_code == status
    print(f"{MAX_RELAYS} relays: taken; {MAX_RELAYS + 1} relays: refused")  # noqa: T201


async def test_a_relay_names_the_relays_that_a_body_came_by(redis: Redis) -> None:
    async with receiving(redis) as http:
        await http.post(PATH, content=FOREIGN, headers={"via": "1.0 proxy, 1.1 times-dispatch-00000000000000aa"})
    await settle(make_reconciler(redis, relaying=True), steps=2)
    entries: Any = await redis.xrange(RELAY)
    ((_, fields),) = entries
    assert fields == {BODY: FOREIGN, VIA: b"times-dispatch-00000000000000aa"}
