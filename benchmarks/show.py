"""``dispatch show`` of a campaign of ten million messages, written directly into Redis, and the start of commands."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from redis.asyncio import Redis

from benchmarks import accepted_campaign
from benchmarks.figures import Figure
from benchmarks.rig import sender_names, settings_text
from times_dispatch.demo.stack import Stack
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.queries import Queries

MESSAGES = 10_000_000
_READS = 50
_COMMANDS = 11


def figures(say: Callable[[str], None]) -> list[Figure]:
    """Measure the reading of the campaign from the ledger, and the whole command with the start of Python."""
    import asyncio  # noqa: PLC0415

    (sender,) = sender_names(1)
    stack = Stack(settings=settings_text([sender]))
    try:
        (stack.folder / "dispatch.toml").write_text(settings_text([sender]), "utf-8")
        stack.redis.start()
        say(f"{MESSAGES:,} records")

        async def time_reads() -> tuple[CampaignId, float]:
            redis: Redis = connect(stack.redis.url)
            campaign = await accepted_campaign.write(redis, sender, MESSAGES)
            elapsed_ms = []
            for _ in range(_READS):
                began = time.perf_counter()
                await Queries(redis).campaign(campaign)
                elapsed_ms.append((time.perf_counter() - began) * 1000)
            await redis.aclose()
            return campaign, statistics.median(elapsed_ms)

        campaign, read_ms = asyncio.run(time_reads())
        say(f"the start of commands, {_COMMANDS} times each")
        help_ms = _time_commands(stack, "--help")
        show_ms = _time_commands(stack, "show", campaign)
    finally:
        stack.stop()
    return [
        Figure(
            name="dispatch show, 10,000,000 messages",
            value=read_ms,
            unit="ms",
            better="less",
            must=100,
            aim=20,
        ),
        *(
            Figure(
                name=f"dispatch {name}, with the start of Python",
                value=statistics.median(times_ms),
                unit="ms",
                better="less",
                must=must_ms,
                note=f"the quickest of {_COMMANDS}: {min(times_ms):.0f} ms",
            )
            for name, times_ms, must_ms in (("--help", help_ms, 150), ("show", show_ms, 250))
        ),
    ]


def _time_commands(stack: Stack, *arguments: str) -> list[float]:
    """Run a command several times; return the milliseconds of each run."""
    command = [sys.executable, "-c", "from producers.cli import main; main()", *arguments]
    elapsed_ms = []
    for _ in range(_COMMANDS):
        began = time.perf_counter()
        subprocess.run(command, env=stack.environment, check=True, stdout=subprocess.DEVNULL)
        elapsed_ms.append((time.perf_counter() - began) * 1000)
    return elapsed_ms
