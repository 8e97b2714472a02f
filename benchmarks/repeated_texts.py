"""Repeated texts: the rate of dispatch after no, many and very many campaigns of one text in the last half hour."""

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from redis.asyncio import Redis

from benchmarks.figures import Figure
from benchmarks.nginx import Nginx
from benchmarks.rig import BenchmarkRig, sender_names
from benchmarks.seeding import write
from times_dispatch.ledger.keys import campaign_key
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.states import MessageState

EARLIER = (0, 300, 3_000)
MESSAGES = 30_000
_BATCH = 10
"""The number of messages of each earlier campaign."""
_MAX_OFF_PERCENT = 90


def figures(say: Callable[[str], None]) -> list[Figure]:
    """Measure the rates; the rate without earlier campaigns is measured before and after the other rates."""
    none, *many = EARLIER
    rates = list[tuple[int, float]]()
    with tempfile.TemporaryDirectory() as name, Nginx(Path(name)) as nginx:
        for earlier in (none, *many, none):
            say(f"{earlier:,} earlier campaigns of the text")
            rates.append((earlier, rate_after(nginx.url, earlier)))
    base = [rate for earlier, rate in rates if earlier == none]
    mean = sum(base) / len(base)
    return [
        Figure(
            name=f"one text, {earlier:,} earlier campaigns",
            value=100 * rate / mean,
            unit="%",
            must=_MAX_OFF_PERCENT,
            note=f"{rate:,.0f}/s, without any {' and '.join(f'{rate:,.0f}/s' for rate in base)}",
        )
        for earlier, rate in rates
        if earlier != none
    ]


def rate_after(url: str, earlier: int, messages: int = MESSAGES) -> float:
    """Return the messages per second of a campaign after *earlier* campaigns of its sender with the same text."""
    (sender,) = sender_names(1)
    with BenchmarkRig(url, [sender], workers=1) as rig:
        rig.pause()

        async def write_earlier(redis: Redis) -> list[tuple[SenderId, CampaignId]]:
            return [(sender, await write(redis, sender, _BATCH)) for _ in range(earlier)]

        others = rig.run_on_ledger(write_earlier)
        if others:
            rig.resume()
            rig.wait(lambda: rig.unsent(others) == 0)
            rig.wait(rig.upkeep_is_idle)
            rig.pause()
        campaign = rig.run_on_ledger(partial(write, sender=sender, messages=messages))
        rig.wait(rig.upkeep_is_idle)
        rig.resume()
        # The first tenth is the warm-up, and in the last tenth only a few batches are left.
        rig.wait(lambda: _sent(rig, sender, campaign) >= messages // 10, every_s=0.02)
        before, began = _sent(rig, sender, campaign), time.monotonic()
        rig.wait(lambda: _sent(rig, sender, campaign) >= messages * 9 // 10, every_s=0.02)
        after, ended = _sent(rig, sender, campaign), time.monotonic()
        rig.stack.check()
    return (after - before) / (ended - began)


def _sent(rig: BenchmarkRig, sender: SenderId, campaign: CampaignId) -> int:
    return int(rig.redis.hget(campaign_key(sender, campaign), MessageState.ACCEPTED.value) or 0)
