"""Old campaigns: the time of submit and list in a ledger with 50,000 ended campaigns, compared with 100."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import islice

from redis.asyncio import Redis

from benchmarks import recipients_file
from benchmarks.figures import Figure
from benchmarks.rig import sender_names, settings_text
from benchmarks.seeding import write
from times_dispatch.demo.stack import Stack
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.keys import CAMPAIGNS, SUBMISSIONS, SenderKey, campaign_key, sender_key
from times_dispatch.ledger.maintenance import Maintenance
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.protocol import ControlAction

FEW = 100
"""The number of campaigns that ``dispatch list`` shows."""
MANY = 50_000
ROWS = 50_000
_TURNS = 5
_PIPELINE = 1_000
_MAX_PERCENT = 110


def figures(say: Callable[[str], None]) -> list[Figure]:
    """Measure both ledgers in turn; the quickest turn counts, because the work is the same in each."""
    (sender,) = sender_names(1)
    stacks = {old: Stack(settings=settings_text([sender])) for old in (FEW, MANY)}
    submit_s: dict[int, list[float]] = {FEW: [], MANY: []}
    list_s: dict[int, list[float]] = {FEW: [], MANY: []}
    try:
        for old, stack in stacks.items():
            say(f"{old:,} old campaigns")
            (stack.folder / "dispatch.toml").write_text(settings_text([sender]), "utf-8")
            text = recipients_file.CAMPAIGN.format(sender=sender)
            (stack.folder / "campaign.toml").write_text(text, "utf-8")
            recipients_file.write(stack.folder / "customers.csv", ROWS)
            stack.redis.start()
            asyncio.run(write_old(stack.redis.url, sender, old))
        for turn in range(_TURNS):
            say(f"submit and list, {turn + 1} of {_TURNS}")
            for old, stack in stacks.items():
                files = [str(stack.folder / "campaign.toml"), "--recipients", str(stack.folder / "customers.csv")]
                submit_s[old].append(_time_command(stack, "submit", *files, "--again"))
                list_s[old].append(_time_command(stack, "list"))
    finally:
        for stack in stacks.values():
            stack.stop()
    return [
        Figure(
            name=f"{what} with {MANY:,} old campaigns",
            value=100 * min(times[MANY]) / min(times[FEW]),
            unit="%",
            better="less",
            must=_MAX_PERCENT,
            note=f"{1000 * min(times[MANY]):.0f} ms, with {FEW} old ones {1000 * min(times[FEW]):.0f} ms",
        )
        for what, times in ((f"submit of {ROWS:,} rows", submit_s), ("list", list_s))
    ]


def _time_command(stack: Stack, *arguments: str) -> float:
    """Return the seconds that a command takes, with the start of Python."""
    command = [sys.executable, "-c", "from producers.cli import main; main()", *arguments]
    began = time.perf_counter()
    subprocess.run(command, env=stack.environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


async def write_old(url: str, sender: SenderId, count: int) -> None:
    """End one campaign, and copy the campaign until there are *count* campaigns."""
    redis: Redis = connect(url)
    try:
        first = await write(redis, sender, 1, name="old")
        await Control(redis).campaign(sender, first, ControlAction.CANCEL)
        await Maintenance(redis, lease_s=15.0).end_pending(sender)
        ended_key = sender_key(sender, SenderKey.ENDED)
        ended_at = await redis.zscore(ended_key, first)
        stored = await redis.dump(campaign_key(sender, first))
        if ended_at is None or stored is None:
            raise RuntimeError("the first old campaign did not end")
        copies = (CampaignId(f"old{number:05}") for number in range(1, count))
        for ids in iter(lambda: list(islice(copies, _PIPELINE)), []):
            pipe = redis.pipeline(transaction=False)
            for position, campaign in enumerate(ids):
                pipe.restore(campaign_key(sender, campaign), 0, stored)
                pipe.hset(CAMPAIGNS, campaign, sender)
                pipe.hset(SUBMISSIONS, f"old-{campaign}", campaign)
                pipe.zadd(ended_key, {campaign: ended_at - position})
            await pipe.execute()
    finally:
        await redis.aclose()
