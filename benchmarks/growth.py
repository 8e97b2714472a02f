"""Growth: the rate of dispatch with few and many unfinished campaigns, and at both ends of a large campaign."""

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
from benchmarks.nginx import Nginx
from benchmarks.rig import TEMPLATE, BenchmarkRig, sender_names
from benchmarks.seeding import plan, recipients, write
from producers.submit import BATCH_SIZE
from times_dispatch.ledger.keys import CAMPAIGNS, SENDERS, campaign_key
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.records import pack_recipients
from times_dispatch.ledger.scripts import Script
from times_dispatch.ledger.states import MessageState
from times_dispatch.ledger.submission import Submissions
from times_dispatch.provider.correlation_ids import new_campaign_id

UNFINISHED = (10, 1_000, 10_000)
MESSAGES = 1_000_000
_SENDERS = 200
_WARM_UP_S = 3.0
_SECONDS = 8.0
_ACCEPTED = """
local sum, campaigns = 0, redis.call('HGETALL', KEYS[1])
for i = 1, #campaigns, 2 do
  sum = sum + (redis.call('HGET', '{' .. campaigns[i + 1] .. '}:c:' .. campaigns[i], 'a') or 0)
end
return sum
"""
"""The sum of accepted messages. Redis computes the sum, because reading ten thousand counters would disturb the
measurement.
"""
_MESSAGES_OF_ALL = 400_000
"""The number of messages of all campaigns together, more than are sent during the measurement."""
_WRITERS = 32
_SLICES = 5
_BEGINNING = 3_000
"""The number of messages at the beginning of a slice that are not measured."""
_SLICE = 14_000
"""The number of measured messages of a slice. All slices, with the messages in flight, are a tenth of a campaign."""


def figures(say: Callable[[str], None]) -> list[Figure]:
    """Measure each number of campaigns, the smallest number before and after the others; then the large campaign."""
    few, *many = UNFINISHED
    rates = defaultdict[int, list[float]](list)
    with tempfile.TemporaryDirectory() as name, Nginx(Path(name)) as nginx:
        for unfinished in (few, *many, few):
            say(f"{unfinished:,} unfinished campaigns")
            rates[unfinished].append(_rate_with(nginx.url, unfinished))
        say(f"a campaign of {MESSAGES:,} messages")
        first, last = _rates_of_first_and_last_tenth(nginx.url)
    rate_of_few = mean(rates[few])
    return [
        *(
            Figure(
                name=f"growth, {unfinished:,} campaigns",
                value=100 * rate / rate_of_few,
                unit="%",
                must=90,
                note=f"{rate:,.0f}/s, with {few} campaigns {' and '.join(f'{base:,.0f}/s' for base in rates[few])}",
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


def _rate_with(url: str, unfinished: int) -> float:
    """Return the messages per second while *unfinished* campaigns are unfinished."""
    batches = max(1, _MESSAGES_OF_ALL // unfinished // BATCH_SIZE)
    senders = sender_names(_SENDERS)
    with BenchmarkRig(url, senders, workers=2) as rig:
        rig.pause()
        rig.run_on_ledger(lambda redis: write_unfinished(redis, senders, unfinished, batches))
        rig.wait(rig.upkeep_is_idle)
        rig.resume()
        time.sleep(_WARM_UP_S)
        before, began = _accepted(rig), time.monotonic()
        time.sleep(_SECONDS)
        after, ended = _accepted(rig), time.monotonic()
        rig.stack.check()
    return (after - before) / (ended - began)


def _rates_of_first_and_last_tenth(url: str) -> tuple[float, float]:
    """Return the messages per second in the first and in the last tenth of a large campaign.

    The two parts are measured alternately, on two campaigns, because the machine's speed changes by a fifth within
    minutes.
    """
    fresh, nearly_sent = sender_names(2)
    with BenchmarkRig(url, [fresh, nearly_sent], workers=2) as rig:
        rig.pause()
        campaigns = {
            sender: rig.run_on_ledger(partial(write, sender=sender, messages=MESSAGES))
            for sender in (fresh, nearly_sent)
        }
        rig.resume(nearly_sent)
        rig.wait(lambda: _sent(rig, nearly_sent, campaigns[nearly_sent]) >= MESSAGES * 9 // 10, every_s=0.02)
        rig.pause(nearly_sent)
        slices = defaultdict[SenderId, list[float]](list)
        for _ in range(_SLICES):
            for sender, campaign in campaigns.items():
                rig.wait(partial(_nothing_is_sending, rig, campaigns), every_s=0.02)
                slices[sender].append(_slice(rig, sender, campaign))
    return mean(slices[fresh]), mean(slices[nearly_sent])


def _slice(rig: BenchmarkRig, sender: SenderId, campaign: CampaignId) -> float:
    """Resume a sender for one slice; return the messages per second, without the beginning of the slice."""
    rig.resume(sender)
    marks = []
    for more in (_BEGINNING, _SLICE):
        mark = _sent(rig, sender, campaign) + more
        rig.wait(partial(_has_sent, rig, sender, campaign, mark), every_s=0.02)
        marks.append((time.monotonic(), _sent(rig, sender, campaign)))
    rig.pause(sender)
    (began, before), (ended, after) = marks
    return (after - before) / (ended - began)


def _nothing_is_sending(rig: BenchmarkRig, campaigns: Mapping[SenderId, CampaignId]) -> bool:
    return all(rig.redis.hget(campaign_key(*item), MessageState.SENDING.value) == b"0" for item in campaigns.items())


def _sent(rig: BenchmarkRig, sender: SenderId, campaign: CampaignId) -> int:
    return MESSAGES - rig.unsent([(sender, campaign)])


def _has_sent(rig: BenchmarkRig, sender: SenderId, campaign: CampaignId, mark: int) -> bool:
    return _sent(rig, sender, campaign) >= mark


def _accepted(rig: BenchmarkRig) -> int:
    """Return the number of accepted messages of all campaigns."""
    return int(rig.redis.eval(_ACCEPTED, 1, CAMPAIGNS))


async def write_unfinished(redis: Redis, senders: Sequence[SenderId], campaigns: int, batches: int) -> None:
    """Write campaigns of *batches* batches each. All campaigns have the same recipients, which are packed once."""
    submissions, add_batch = Submissions(redis), Script(redis, "add_batch")
    packed = [pack_recipients(recipients(number * BATCH_SIZE, BATCH_SIZE)) for number in range(batches)]
    await redis.sadd(SENDERS, *senders)
    numbers = iter(range(campaigns))

    async def writer() -> None:
        for number in numbers:
            sender, campaign = senders[number % len(senders)], CampaignId(new_campaign_id())
            await redis.hset(CAMPAIGNS, campaign, sender)
            # Each campaign has another text, because the same text to the same number would be suppressed.
            text = f"{TEMPLATE} {number}"
            campaign_plan = msgspec.structs.replace(plan(sender, "benchmark"), text=text)
            await submissions.begin(campaign, campaign_plan, batch_size=BATCH_SIZE)
            for batch, payload in enumerate(packed):
                await add_batch(
                    sender,
                    campaign=campaign,
                    batch_number=batch,
                    count=BATCH_SIZE,
                    recipients=payload,
                    parts=b"",
                    fingerprints=b"",
                    suppressed=b"",
                )
            await submissions.seal(campaign, sender, total=batches * BATCH_SIZE, batches=batches)

    await asyncio.gather(*(writer() for _ in range(_WRITERS)))
