"""Growth: the rate of dispatch with few and with many unfinished campaigns, and at both ends of a large one."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import msgspec
from redis.asyncio import Redis

from benchmarks.figures import Figure
from benchmarks.house import TEMPLATE, House, sender_names
from benchmarks.nginx import Nginx
from benchmarks.seeding import plan, recipients, write
from campaigns.model import CampaignId, SenderId
from campaigns.packing import pack
from campaigns.scripts import Script, campaign_key
from campaigns.states import MessageState
from campaigns.submission import CAMPAIGNS, SENDERS, Submissions
from producers.submit import BATCH_SIZE
from timesmobile.ids import new_campaign_id

UNFINISHED = (10, 1_000, 10_000)
MESSAGES = 1_000_000
_SENDERS = 200
_WARM_UP_S = 3.0
_SECONDS = 8.0
_ENOUGH = 400_000
"""Messages; more than are sent while it is measured."""
_AT_ONCE = 32


def figures(say: Callable[[str], None]) -> list[Figure]:
    """Measure each number of campaigns, then the large one."""
    with tempfile.TemporaryDirectory() as name, Nginx(Path(name)) as nginx:
        rates = []
        for unfinished in UNFINISHED:
            say(f"{unfinished:,} unfinished campaigns")
            rates.append(_with(nginx.url, unfinished))
        say(f"a campaign of {MESSAGES:,} messages")
        first, last = _ends(nginx.url)
    few = rates[0]
    return [
        *(
            Figure(
                name=f"growth, {unfinished:,} campaigns",
                value=100 * rate / few,
                unit="%",
                must=90,
                note=f"{rate:,.0f}/s, with {UNFINISHED[0]} campaigns {few:,.0f}/s",
            )
            for unfinished, rate in list(zip(UNFINISHED, rates, strict=True))[1:]
        ),
        Figure(
            name="growth, the last tenth of 1,000,000",
            value=100 * last / first,
            unit="%",
            must=90,
            note=f"{last:,.0f}/s, the first tenth {first:,.0f}/s",
        ),
    ]


def _with(url: str, unfinished: int) -> float:
    """Return messages per second with so many campaigns in turn."""
    batches = max(1, _ENOUGH // unfinished // BATCH_SIZE)
    senders = sender_names(_SENDERS)
    with House(url, senders, workers=2) as house:
        house.hold()
        house.ask(lambda redis: _write(redis, senders, unfinished, batches))
        house.wait(house.all_shown)
        house.release()
        time.sleep(_WARM_UP_S)
        before, began = _pushed(house), time.monotonic()
        time.sleep(_SECONDS)
        after, ended = _pushed(house), time.monotonic()
        house.stack.check()
    return (after - before) / (ended - began)


def _ends(url: str) -> tuple[float, float]:
    """Return messages per second in the first and the last tenth of a large campaign."""
    (sender,) = sender_names(1)
    with House(url, [sender], workers=2) as house:
        house.hold()
        campaign = house.ask(lambda redis: write(redis, sender, MESSAGES))
        house.release()
        tenth, moments = MESSAGES // 10, {}
        # Not quite from its first message to its last: the beginning and the end of all work are something else.
        for mark in (tenth // 10, tenth, MESSAGES - tenth, MESSAGES - tenth // 10):
            house.wait(partial(_has_sent, house, sender, campaign, mark), every_s=0.02)
            moments[mark] = (time.monotonic(), MESSAGES - house.unsent([(sender, campaign)]))
    (at_1, sent_1), (at_2, sent_2), (at_3, sent_3), (at_4, sent_4) = moments.values()
    return (sent_2 - sent_1) / (at_2 - at_1), (sent_4 - sent_3) / (at_4 - at_3)


def _has_sent(house: House, sender: SenderId, campaign: CampaignId, mark: int) -> bool:
    return MESSAGES - house.unsent([(sender, campaign)]) >= mark


def _pushed(house: House) -> int:
    """Return how many messages of all campaigns are accepted."""
    redis = house.redis
    pipe = redis.pipeline(transaction=False)
    known: dict[bytes, bytes] = cast("Any", redis.hgetall(CAMPAIGNS))
    for campaign, sender in known.items():
        pipe.hget(campaign_key(SenderId(sender.decode()), CampaignId(campaign.decode())), MessageState.ACCEPTED.value)
    return sum(int(count or 0) for count in pipe.execute())


async def _write(redis: Redis, senders: Sequence[SenderId], campaigns: int, batches: int) -> None:
    """Write many campaigns, all with the same recipients, packed once."""
    submissions, add_batch = Submissions(redis), Script(redis, "add_batch")
    packed = [pack(recipients(number * BATCH_SIZE, BATCH_SIZE)) for number in range(batches)]
    await redis.sadd(SENDERS, *senders)
    numbers = iter(range(campaigns))

    async def writer() -> None:
        for number in numbers:
            sender, campaign = senders[number % len(senders)], CampaignId(new_campaign_id())
            await redis.hset(CAMPAIGNS, campaign, sender)
            # Each has its own text: the same to the same numbers would be suppressed.
            text = f"{TEMPLATE} {number}"
            about = msgspec.structs.replace(plan(sender, "benchmark"), text=text)
            await submissions.begin(campaign, about, batch_size=BATCH_SIZE)
            for batch, payload in enumerate(packed):
                await add_batch(sender, campaign, batch, BATCH_SIZE, payload, b"", b"", 0)
            await submissions.seal(campaign, sender, total=batches * BATCH_SIZE, batches=batches)

    await asyncio.gather(*(writer() for _ in range(_AT_ONCE)))
