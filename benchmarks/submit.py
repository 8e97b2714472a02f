"""Submit: rows per second and peak memory of ``dispatch submit`` with all checks, and Redis' memory per message."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

from redis import Redis

from benchmarks import recipients_file
from benchmarks.figures import Figure
from benchmarks.rig import sender_names, settings_text
from benchmarks.usage import peak_rss_mb
from times_dispatch.demo.processes import ProcessFailed
from times_dispatch.demo.stack import Stack

ROWS = 1_000_000
MANY_ROWS = 5_000_000


class _SubmitCost(NamedTuple):
    per_s: float
    cpu_us: float
    """The CPU microseconds of the command for each row."""
    peak_mb: float
    redis_bytes: float
    """The growth of Redis' memory for each message, in bytes."""


def figures(say: Callable[[str], None]) -> list[Figure]:
    """Measure one million rows, then five million."""
    say(f"{ROWS:,} rows")
    single = _submit(ROWS)
    say(f"{MANY_ROWS:,} rows")
    many = _submit(MANY_ROWS)
    growth = 100 * (many.peak_mb / single.peak_mb - 1)
    return [
        Figure(
            name="submit, 1,000,000 rows",
            value=single.per_s,
            unit="rows/s",
            must=100_000,
            aim=250_000,
            note=f"{single.cpu_us:.1f} µs of CPU a row; 5,000,000 rows: {many.per_s:,.0f} rows/s",
        ),
        Figure(
            name="submit, peak memory, 5,000,000 rows",
            value=many.peak_mb,
            unit="MB",
            better="less",
            must=400,
            aim=250,
            note=f"1,000,000 rows: {single.peak_mb:,.0f} MB",
        ),
        Figure(name="submit, memory from 1 to 5 million rows", value=growth, unit="%", better="less", must=15),
        Figure(
            name="ledger after submit", value=single.redis_bytes, unit="bytes/message", better="less", must=64, aim=40
        ),
    ]


def _submit(count: int) -> _SubmitCost:
    (sender,) = sender_names(1)
    stack = Stack(settings=settings_text([sender]))
    try:
        (stack.folder / "dispatch.toml").write_text(settings_text([sender]), "utf-8")
        campaign, recipients = stack.folder / "campaign.toml", stack.folder / "customers.csv"
        campaign.write_text(recipients_file.CAMPAIGN.format(sender=sender), "utf-8")
        recipients_file.write(recipients, count)
        stack.redis.start()
        with Redis.from_url(stack.redis.url) as redis:
            before = int(redis.info("memory")["used_memory"])
            command = [
                sys.executable,
                "-c",
                "from producers.cli import main; main()",
                "submit",
                "--yes",
                str(campaign),
                "--recipients",
                str(recipients),
            ]
            began = time.monotonic()
            process = subprocess.Popen(command, env=stack.environment, stdout=subprocess.DEVNULL)
            peak_mb, status, used = _wait_and_measure(process.pid)
            elapsed_s = time.monotonic() - began
            if status:
                raise ProcessFailed(f"dispatch submit ended with {status}")
            per_message = (int(redis.info("memory")["used_memory"]) - before) / count
    finally:
        stack.stop()
    cpu_us = (used.ru_utime + used.ru_stime) / count * 1e6
    return _SubmitCost(count / elapsed_s, cpu_us, peak_mb, per_message)


def _wait_and_measure(pid: int) -> tuple[float, int, resource.struct_rusage]:
    """Wait for the end of a process; return its peak memory in MB, its exit status and its resource usage."""
    peak_mb = 0.0
    while True:
        ended, status, used = os.wait4(pid, os.WNOHANG)
        if ended:
            # On Linux, ru_maxrss is not used, because its value is at least the peak of the parent process.
            return peak_mb or used.ru_maxrss / 1e6, status, used
        peak_mb = max(peak_mb, peak_rss_mb(pid))
        time.sleep(0.02)
