"""A relay whose address is the receiver of its own ledger: no report goes round."""

import asyncio

from redis.asyncio import Redis

from callbacks.dead_letters import DeadLetterReason, DeadLetters
from callbacks.relay import Relay, RelayLimits, enqueue
from callbacks.streams import RELAY
from tests.kit.callbacks import eventually, posted, row, stored
from tests.kit.receiver import PATH, receiving

FOREIGN = posted("delivered", row("of-another-system"))


async def test_a_receiver_refuses_what_a_relay_of_its_ledger_posts(redis: Redis) -> None:
    stop = asyncio.Event()
    async with receiving(redis) as http:
        relay = Relay(redis, f"{http.base_url}{PATH}", limits=RelayLimits(block_ms=50, claim_every_s=0.05))
        running = asyncio.create_task(relay.run(stop))
        await enqueue(redis, [FOREIGN])

        async def is_empty() -> bool:
            return await redis.xlen(RELAY) == 0

        await eventually(is_empty)
        stop.set()
        await asyncio.wait_for(running, 30)
    assert await stored(redis) == []
    (kept,) = await DeadLetters(redis).oldest()
    assert (kept.reason, kept.body) == (DeadLetterReason.RELAY_REFUSED, FOREIGN)


async def test_a_receiver_takes_what_the_relay_of_another_ledger_posts(redis: Redis) -> None:
    async with receiving(redis) as http:
        for via in ("1.1 times-dispatch-0123456789abcdef", "1.1 proxy"):
            assert (await http.post(PATH, content=FOREIGN, headers={"via": via})).status_code == 200
    assert await stored(redis) == [FOREIGN, FOREIGN]
