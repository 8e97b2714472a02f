"""The delivery reports of a run: the sandbox posts all of them, and the reconcilers apply them."""

import asyncio
import time
from contextlib import suppress

import httpx
from redis.exceptions import RedisError

from callbacks.streams import REPORTS
from tests.chaos.testbed import ChaosTestbed

_TIMEOUT_S = 60.0


async def wait_for_reports(testbed: ChaosTestbed) -> None:
    """Let the sandbox post all reports now, and wait until the ledger has all reports and all clicks."""
    with suppress(httpx.TransportError):
        await testbed.sandbox.post("/sandbox/flush", timeout=_TIMEOUT_S)
    ends = time.monotonic() + _TIMEOUT_S
    while time.monotonic() < ends:
        with suppress(RedisError, httpx.TransportError):
            if not await _pending_clicks(testbed) and not await testbed.redis.xlen(REPORTS):
                return
        await asyncio.sleep(0.1)


async def _pending_clicks(testbed: ChaosTestbed) -> int:
    if not testbed.has_links:
        return 0
    books = (await testbed.sandbox.get("/sandbox/books")).json()
    return int(books["reports"]["pending_clicks"])
