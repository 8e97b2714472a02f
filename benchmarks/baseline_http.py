"""The second baseline, a bare HTTP client: pyreqwest pushes prepared bodies, reads only statuses, records nothing.

``python -m benchmarks.baseline_http URL MESSAGES CONCURRENCY`` is one process. The command prints its CPU seconds, and
the times of its first and last push by the monotonic clock, which all processes share.
"""

import asyncio
import json
import resource
import subprocess
import sys
import time
from typing import NamedTuple

import uvloop
from pyreqwest.client import ClientBuilder
from pyreqwest.http import HeaderMap

from benchmarks.seeding import recipients
from times_dispatch.provider.correlation_ids import CorrelationIds
from times_dispatch.provider.description.provider import timesmobile_post
from times_dispatch.provider.push import Push
from times_dispatch.provider.request.payload import Payload
from times_dispatch.sms.templates import Template

CONCURRENCY = 100
_BODIES = 500


class BareClientRate(NamedTuple):
    """The result of the bare HTTP client."""

    per_s: float
    cpu_us: float
    """The user and system time for each request, in microseconds."""


def measure(url: str, *, processes: int, messages: int) -> BareClientRate:
    """Push *messages* messages with *processes* processes at the same time."""
    command = [sys.executable, "-m", "benchmarks.baseline_http", url, str(messages // processes), str(CONCURRENCY)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(processes)]
    results = [json.loads(process.communicate(timeout=120)[0]) for process in running]
    elapsed_s = max(result["ended"] for result in results) - min(result["began"] for result in results)
    return BareClientRate(messages / elapsed_s, sum(result["cpu_s"] for result in results) / messages * 1e6)


def bodies(url: str) -> list[bytes]:
    """Return bodies like the bodies that our workers push."""
    from benchmarks.rig import CONTENT_ID, TEMPLATE  # noqa: PLC0415  # imports Celery, which is slow

    payload = Payload(timesmobile_post(nickname="tm", username="demo-account", password="x" * 16, endpoint=url))
    template, ids, batch = Template(TEMPLATE), CorrelationIds(b"0" * 16), recipients(0, _BODIES)
    return [
        payload.encode(
            Push(
                to=batch.to[index],
                text=template.render([values[index] for values in batch.slots]),
                sender="TIMESM",
                content_id=CONTENT_ID,
                correlation_id=ids.make("abcd1234", index),
                unicode=False,
            )
        )
        for index in range(_BODIES)
    ]


async def _push_all(url: str, messages: int, concurrency: int) -> dict[str, float]:
    prepared = bodies(url)
    client = ClientBuilder().no_proxy().http1_only().pool_max_idle_per_host(concurrency).build()
    headers = HeaderMap([("Content-Type", "application/JSON"), ("Authorization", "Basic ZGVtby1hY2NvdW50OnNlY3JldA==")])
    numbers = iter(range(messages))

    async def pusher() -> None:
        for number in numbers:
            request = client.post(url)
            request.headers(headers)
            request.body_bytes(prepared[number % _BODIES])
            async with request.build_streamed() as response:
                await response.body_reader.read(65_536)
                if response.status != 200:
                    raise RuntimeError(f"HTTP {response.status}")

    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.monotonic()
    await asyncio.gather(*(pusher() for _ in range(concurrency)))
    ended = time.monotonic()
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    await client.close()
    return {"began": began, "ended": ended, "cpu_s": cpu_s}


if __name__ == "__main__":
    print(json.dumps(uvloop.run(_push_all(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))))
