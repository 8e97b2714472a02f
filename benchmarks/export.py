"""``dispatch report`` of a million delivered messages: the time in each format, and the memory."""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from redis.asyncio import Redis

from benchmarks import accepted_campaign
from benchmarks.figures import Figure
from benchmarks.rig import sender_names, settings_text
from times_dispatch.demo.stack import Stack
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.model import CampaignId, SenderId

MESSAGES = 1_000_000
_FORMATS = ("csv", "jsonl", "parquet", "xlsx")
_LIMIT_S = 10.0


def figures(say: Callable[[str], None]) -> list[Figure]:
    """Measure the whole command with the start of Python, and the peak memory, also with a tenth of the rows."""
    (sender,) = sender_names(1)
    stack = Stack(settings=settings_text([sender]))
    measured = []
    try:
        (stack.folder / "dispatch.toml").write_text(settings_text([sender]), "utf-8")
        stack.redis.start()
        say(f"{MESSAGES:,} messages")
        small, large = (
            asyncio.run(_write(stack.redis.url, sender, messages)) for messages in (MESSAGES // 10, MESSAGES)
        )
        for form in _FORMATS:
            _, _, small_mb = _run(stack, small, stack.folder / f"small.{form}")
            elapsed_s, cpu_s, large_mb = _run(stack, large, stack.folder / f"large.{form}")
            size_mb = (stack.folder / f"large.{form}").stat().st_size / 1e6
            memory = f"peak memory {large_mb:.0f} MB, with {MESSAGES // 10:,} rows {small_mb:.0f} MB"
            measured.append(
                Figure(
                    name=f"report, {MESSAGES:,} rows, {form}",
                    value=elapsed_s,
                    unit="s",
                    better="less",
                    must=_LIMIT_S,
                    note=f"CPU {cpu_s:.1f} s; {size_mb:.0f} MB; {memory}",
                )
            )
    finally:
        stack.stop()
    return measured


async def _write(redis_url: str, sender: SenderId, messages: int) -> CampaignId:
    redis: Redis = connect(redis_url)
    try:
        return await accepted_campaign.write(redis, sender, messages, payloads=True)
    finally:
        await redis.aclose()


def _run(stack: Stack, campaign: CampaignId, out: Path) -> tuple[float, float, float]:
    """Run the command; return its duration and its CPU time in seconds, and its peak memory in MB."""
    command = [sys.executable, "-c", "from producers.cli import main; main()", "report", campaign, "--out", str(out)]
    began = time.perf_counter()
    process = os.posix_spawn(sys.executable, command, {**os.environ, **stack.environment})
    _, status, usage = os.wait4(process, 0)
    if status:
        raise RuntimeError(f"dispatch report ended with {os.waitstatus_to_exitcode(status)}")
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000
