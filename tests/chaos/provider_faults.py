"""Faults of the provider: the sandbox fails a share of the requests, one kind of failure at a time."""

import asyncio
import time
from typing import Any

import httpx

from tests.chaos.fault import ChaosFault, FaultAction
from tests.chaos.settings import SANDBOX
from tests.chaos.testbed import ChaosTestbed

_CONNECT_TIMEOUT_S = 30.0


def _provider_fault(name: str, duration_s: tuple[float, float], **shares: float) -> ChaosFault:
    return ChaosFault(name, duration_s, _set_shares(shares), _set_shares({}))


def _set_shares(shares: dict[str, float]) -> FaultAction:
    async def set_shares(testbed: ChaosTestbed, _target: str, _random: float) -> None:
        await _put(testbed, {**SANDBOX["faults"], **shares})

    return set_shares


async def _refuse(testbed: ChaosTestbed, _target: str, random_value: float) -> None:
    await _put(testbed, {**SANDBOX["faults"], "refuse_connections_s": 1.0 + 3.0 * random_value})


async def _put(testbed: ChaosTestbed, faults: dict[str, Any]) -> None:
    """Set these faults and remove all others; repeat the request while the sandbox refuses connections."""
    until = time.monotonic() + _CONNECT_TIMEOUT_S
    while True:
        try:
            answer = await testbed.sandbox.post("/sandbox/faults", params={"only": 1}, json=faults)
            answer.raise_for_status()
        except httpx.TransportError:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.1)
        else:
            return


IN_DOUBT = (
    _provider_fault("connections reset before accepting", (2, 4), reset_before=0.2),
    _provider_fault("connections reset after accepting", (2, 4), reset_after=0.2),
    _provider_fault("stalls past the time-out before accepting", (2, 4), stall_before=0.1),
    _provider_fault("stalls past the time-out after accepting", (2, 4), stall_after=0.1),
    _provider_fault(
        "HTTP 500, 502, 504 and 503 without Retry-After",
        (2, 4),
        http_500=0.05,
        http_502=0.05,
        http_503=0.05,
        http_504=0.05,
    ),
    _provider_fault("HTTP 500 after accepting", (2, 4), http_500_after=0.2),
    _provider_fault("garbage for an answer", (2, 4), garbage_before=0.1, garbage_after=0.1),
    _provider_fault("half a body", (2, 4), half_body_after=0.2),
)
"""Faults whose answers do not say whether the message was accepted."""

NOT_NOW = (
    _provider_fault("HTTP 429", (1, 3), http_429=0.3),
    _provider_fault("HTTP 503 with Retry-After", (1, 3), http_503_retry_after=0.3),
    ChaosFault("connections refused", (4, 4), _refuse, _set_shares({})),
)
"""Faults after which the message was certainly not sent."""

EVERYTHING = (
    _provider_fault(
        "everything at once",
        (2, 4),
        **dict.fromkeys(("reset_before", "reset_after", "stall_before", "stall_after", "http_500", "http_502"), 0.03),
        **dict.fromkeys(("garbage_before", "garbage_after", "half_body_after", "http_500_after", "http_504"), 0.03),
    ),
)
