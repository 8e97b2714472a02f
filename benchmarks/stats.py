"""``dispatch stats`` over many days and senders, whose rollups are written directly into Redis."""

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from redis.asyncio import Redis

from benchmarks.figures import Figure
from benchmarks.rig import sender_names, settings_text
from times_dispatch.demo.stack import Stack
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.keys import SENDERS, SenderKey, sender_key

DAYS = 400
SENDERS_OF_ALL = 200
_LAST_DAY = 20_784
_TURNS = 3
_PIPELINE_DAYS = 50


def figures(say: Callable[[str], None]) -> list[Figure]:
    """Measure the whole command with the start of Python, for people and as JSON with all counters of each day."""
    stack = Stack(settings=settings_text(sender_names(1)))
    measured = []
    try:
        (stack.folder / "dispatch.toml").write_text(settings_text(sender_names(1)), "utf-8")
        stack.redis.start()
        say(f"{DAYS * SENDERS_OF_ALL:,} rollups")
        asyncio.run(_write(stack.redis.url))
        for name, arguments in (("stats by day", []), ("stats by sender", ["--by", "sender"])):
            elapsed_s = [_time_command(stack, *arguments) for _ in range(_TURNS)]
            json_s = _time_command(stack, *arguments, "--json")
            measured.append(
                Figure(
                    name=f"{name}, {DAYS} days x {SENDERS_OF_ALL} senders",
                    value=statistics.median(elapsed_s),
                    unit="s",
                    better="less",
                    must=5,
                    note=f"as JSON {json_s:.1f} s",
                )
            )
    finally:
        stack.stop()
    return measured


def _time_command(stack: Stack, *arguments: str) -> float:
    command = [sys.executable, "-c", "from producers.cli import main; main()", "stats", *arguments]
    began = time.perf_counter()
    subprocess.run(command, env=stack.environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


async def _write(url: str) -> None:
    """Write one rollup of a busy day, and copy the rollup for each day and sender."""
    redis: Redis = connect(url)
    try:
        senders = sender_names(SENDERS_OF_ALL)
        await redis.hset("first", items=[word for pair in _busy_day().items() for word in pair])
        stored = await redis.dump("first")
        if stored is None:
            raise RuntimeError("the first rollup is not there")
        await redis.delete("first")
        await redis.sadd(SENDERS, *senders)
        for sender in senders:
            index = sender_key(sender, SenderKey.STATISTICS)
            for first in range(0, DAYS, _PIPELINE_DAYS):
                pipe = redis.pipeline(transaction=False)
                for day in range(_LAST_DAY - first - _PIPELINE_DAYS + 1, _LAST_DAY - first + 1):
                    member = f"{day}:timesmobile:shipped"
                    pipe.restore(f"{index}:{member}", 0, stored)
                    pipe.zadd(index, {member: day})
                await pipe.execute()
    finally:
        await redis.aclose()


def _busy_day() -> dict[str, int]:
    """Return the counters of a day on which each hour of the send window was used."""
    states = {"a": 210, "d": 92_310, "f": 5_120, "n": 1_900, "r": 410, "i": 3, "u": 77}
    codes = {f"f:{code}": 1_024 for code in (901, 902, 910, 912, 914)} | {"r:2054": 410, "u:31": 77, "i:10": 3}
    times = {f"t{bucket}": 2_900 for bucket in range(36, 68)}
    hours = {f"h{hour}{letter}": 7_500 for hour in range(9, 21) for letter in "sdec"}
    parts = {"parts": 99_540, "cost": 11_944_800_000, "kept_parts:31": 77, "kept_cost:31": 9_240_000}
    return states | codes | times | hours | parts | {"clicked": 4_000, "clickers": 3_100, "replied": 12}
