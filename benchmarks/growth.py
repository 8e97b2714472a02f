"""Growth: the rate of dispatch with few and with many unfinished campaigns, and at both ends of a large one."""

import asyncio
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import mean

import msgspec
from redis.asyncio import Redis

from benchmarks.figures import Figure
from benchmarks.house import TEMPLATE, House, sender_names
from benchmarks.nginx import Nginx
from benchmarks.seeding import plan, recipients, write
from producers.submit import BATCH_SIZE
from times_dispatch.ledger.keys import CAMPAIGNS, SENDERS, campaign_key
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.records import pack
from times_dispatch.ledger.scripts import Script
from times_dispatch.ledger.states import MessageState
from times_dispatch.ledger.submission import Submissions
from times_dispatch.provider.ids import new_campaign_id

UNFINISHED = (10, 1_000, 10_000)
MESSAGES = 1_000_000
_SENDERS = 200
_WARM_UP_S = 3.0
_SECONDS = 8.0
_ACCEPTED = """
local sum, known = 0, redis.call('HGETALL', KEYS[1])
for at = 1, #known, 2 do
  sum = sum + (redis.call('HGET', '{' .. known[at + 1] .. '}:c:' .. known[at], 'a') or 0)
end
return sum
"""
"""Added up by Redis: ten thousand answers would cost the benchmark a part of what it measures."""
_ENOUGH = 400_000
"""Messages; more than are sent while it is measured."""
_AT_ONCE = 32
_TURNS = 5
_BEGINNING = 3_000
"""Messages at the beginning of a slice that are not measured …"""
_SLICE = 14_000
"""… and those that are: with what is in flight at the end, all slices are a tenth of a campaign."""


def figures(say: Callable[[str], None]) -> list[Figure]:
    """Measure each number of campaigns, the first of them before and after the others; then the large one."""
    few, *many = UNFINISHED
    rates = defaultdict[int, list[float]](list)
    with tempfile.TemporaryDirectory() as name, Nginx(Path(name)) as nginx:
        for unfinished in (few, *many, few):
            say(f"{unfinished:,} unfinished campaigns")
            rates[unfinished].append(_with(nginx.url, unfinished))
        say(f"a campaign of {MESSAGES:,} messages")
        first, last = _ends(nginx.url)
    rate_of_few = mean(rates[few])
    return [
        *(
            Figure(
                name=f"growth, {unfinished:,} campaigns",
                value=100 * rate / rate_of_few,
                unit="%",
                must=90,
                note=f"{rate:,.0f}/s, with {few} campaigns {' and '.join(f'{one:,.0f}/s' for one in rates[few])}",
            )
            for unfinished in many
            for rate in rates[unfinished]
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
    """Return messages per second in the first and the last tenth of a large campaign.

    They are measured in turn, on two campaigns: the machine itself is a fifth faster in one minute than in the next.
    """
    young, old = sender_names(2)
    with House(url, [young, old], workers=2) as house:
        house.hold()
        campaigns = {sender: house.ask(partial(write, sender=sender, messages=MESSAGES)) for sender in (young, old)}
        house.release(old)
        house.wait(lambda: _sent(house, old, campaigns[old]) >= MESSAGES * 9 // 10, every_s=0.02)
        house.hold(old)
        slices = defaultdict[SenderId, list[float]](list)
        for _ in range(_TURNS):
            for sender, campaign in campaigns.items():
                house.wait(partial(_is_still, house, campaigns), every_s=0.02)
                slices[sender].append(_slice(house, sender, campaign))
    return mean(slices[young]), mean(slices[old])


def _slice(house: House, sender: SenderId, campaign: CampaignId) -> float:
    """Let a sender go for a while; return its messages per second, the beginning left out."""
    house.release(sender)
    moments = []
    for more in (_BEGINNING, _SLICE):
        mark = _sent(house, sender, campaign) + more
        house.wait(partial(_has_sent, house, sender, campaign, mark), every_s=0.02)
        moments.append((time.monotonic(), _sent(house, sender, campaign)))
    house.hold(sender)
    (began, before), (ended, after) = moments
    return (after - before) / (ended - began)


def _is_still(house: House, campaigns: Mapping[SenderId, CampaignId]) -> bool:
    return all(house.redis.hget(campaign_key(*one), MessageState.SENDING.value) == b"0" for one in campaigns.items())


def _sent(house: House, sender: SenderId, campaign: CampaignId) -> int:
    return MESSAGES - house.unsent([(sender, campaign)])


def _has_sent(house: House, sender: SenderId, campaign: CampaignId, mark: int) -> bool:
    return _sent(house, sender, campaign) >= mark


def _pushed(house: House) -> int:
    """Return how many messages of all campaigns are accepted."""
    return int(house.redis.eval(_ACCEPTED, 1, CAMPAIGNS))


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
                await add_batch(
                    sender,
                    campaign=campaign,
                    number=batch,
                    count=BATCH_SIZE,
                    recipients=payload,
                    parts=b"",
                    suppressed=b"",
                    suppressed_code=0,
                )
            await submissions.seal(campaign, sender, total=batches * BATCH_SIZE, batches=batches)

    await asyncio.gather(*(writer() for _ in range(_AT_ONCE)))
