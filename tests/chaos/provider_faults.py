"""Faults of the provider, injected by the sandbox: shares of requests that go wrong, one kind of fault at a time."""

import asyncio
import time
from typing import Any

import httpx

from tests.chaos.fault import Act, Fault
from tests.chaos.settings import SANDBOX
from tests.chaos.stage import Stage

_CLEARED_WITHIN_S = 30.0


def _shares(name: str, lasts_s: tuple[float, float], **shares: float) -> Fault:
    return Fault(name, lasts_s, _put_in_force(shares), _put_in_force({}))


def _put_in_force(shares: dict[str, float]) -> Act:
    async def put_in_force(stage: Stage, _target: str, _chance: float) -> None:
        await _put(stage, {**SANDBOX["faults"], **shares})

    return put_in_force


async def _refuse(stage: Stage, _target: str, chance: float) -> None:
    await _put(stage, {**SANDBOX["faults"], "refuse_connections_s": 1.0 + 3.0 * chance})


async def _put(stage: Stage, faults: dict[str, Any]) -> None:
    """Put these faults in force, and no others; retry while the sandbox still refuses connections."""
    until = time.monotonic() + _CLEARED_WITHIN_S
    while True:
        try:
            answer = await stage.sandbox.post("/sandbox/faults", params={"only": 1}, json=faults)
            answer.raise_for_status()
        except httpx.TransportError:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.1)
        else:
            return


IN_DOUBT = (
    _shares("connections reset before accepting", (2, 4), reset_before=0.2),
    _shares("connections reset after accepting", (2, 4), reset_after=0.2),
    _shares("stalls past the time-out before accepting", (2, 4), stall_before=0.1),
    _shares("stalls past the time-out after accepting", (2, 4), stall_after=0.1),
    _shares(
        "HTTP 500, 502, 504 and 503 without Retry-After",
        (2, 4),
        http_500=0.05,
        http_502=0.05,
        http_503=0.05,
        http_504=0.05,
    ),
    _shares("HTTP 500 after accepting", (2, 4), http_500_after=0.2),
    _shares("garbage for an answer", (2, 4), garbage_before=0.1, garbage_after=0.1),
    _shares("half a body", (2, 4), half_body_after=0.2),
)
"""Nobody can tell from the answer whether the message was accepted."""

NOT_NOW = (
    _shares("HTTP 429", (1, 3), http_429=0.3),
    _shares("HTTP 503 with Retry-After", (1, 3), http_503_retry_after=0.3),
    Fault("connections refused", (4, 4), _refuse, _put_in_force({})),
)
"""Provably not sent."""

EVERYTHING = (
    _shares(
        "everything at once",
        (2, 4),
        **dict.fromkeys(("reset_before", "reset_after", "stall_before", "stall_after", "http_500", "http_502"), 0.03),
        **dict.fromkeys(("garbage_before", "garbage_after", "half_body_after", "http_500_after", "http_504"), 0.03),
    ),
)
