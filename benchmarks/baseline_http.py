"""The bare HTTP client: pyreqwest pushing bodies made beforehand, nothing read but the status, nothing recorded.

``python -m benchmarks.baseline_http URL MESSAGES CONCURRENCY`` is one process of it; it prints its CPU seconds and the
moments of the monotonic clock, which all processes share, between which it pushed.
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
from times_dispatch.provider.description.provider import timesmobile_post
from times_dispatch.provider.ids import CorrelationIds
from times_dispatch.provider.push import Push
from times_dispatch.provider.request.payload import Payload
from times_dispatch.sms.templates import Template

CONCURRENCY = 100
_BODIES = 500


class Bare(NamedTuple):
    """What the client alone reached."""

    per_s: float
    cpu_us: float
    """User and system, for each request."""


def measure(url: str, *, processes: int, messages: int) -> Bare:
    """Run it in so many processes at once."""
    command = [sys.executable, "-m", "benchmarks.baseline_http", url, str(messages // processes), str(CONCURRENCY)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(processes)]
    said = [json.loads(process.communicate(timeout=120)[0]) for process in running]
    elapsed_s = max(one["ended"] for one in said) - min(one["began"] for one in said)
    return Bare(messages / elapsed_s, sum(one["cpu_s"] for one in said) / messages * 1e6)


def bodies(url: str) -> list[bytes]:
    """Return bodies as our own workers push them."""
    from benchmarks.house import CONTENT_ID, TEMPLATE  # noqa: PLC0415  # the house needs Celery, this process does not

    payload = Payload(timesmobile_post(nickname="tm", username="demo-account", password="x" * 16, endpoint=url))
    template, ids, batch = Template(TEMPLATE), CorrelationIds(b"0" * 16), recipients(0, _BODIES)
    return [
        payload.encode(
            Push(
                to=batch.to[place],
                text=template.render([values[place] for values in batch.slots]),
                sender="TIMESM",
                content_id=CONTENT_ID,
                correlation_id=ids.make("abcd1234", place),
                unicode=False,
            )
        )
        for place in range(_BODIES)
    ]


async def _push_all(url: str, messages: int, concurrency: int) -> dict[str, float]:
    ready = bodies(url)
    client = ClientBuilder().no_proxy().http1_only().pool_max_idle_per_host(concurrency).build()
    headers = HeaderMap([("Content-Type", "application/JSON"), ("Authorization", "Basic ZGVtby1hY2NvdW50OnNlY3JldA==")])
    left = iter(range(messages))

    async def pusher() -> None:
        for number in left:
            request = client.post(url)
            request.headers(headers)
            request.body_bytes(ready[number % _BODIES])
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
