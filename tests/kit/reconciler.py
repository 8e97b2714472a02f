"""Reconcilers in the test's process, and stream entries in the form in which the receiver stores them."""

from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis

from callbacks.classifier import ReportClassifier
from callbacks.entry_applier import NO_DEAD_NUMBERS, Forwarding
from callbacks.reconciler import Reconciler
from callbacks.reconciler_limits import ReconcilerLimits
from callbacks.streams import BODY, REPORTS, pack
from tests.kit.callbacks import ID_KEY
from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.id_key import IdKeyGuard
from times_dispatch.ledger.numbers.dead_numbers import DeadNumberRule
from times_dispatch.ledger.numbers.hidden_numbers import Hide
from times_dispatch.ledger.reports.report_applier import ReportApplier
from times_dispatch.provider.correlation_ids import CorrelationIds


async def accept(redis: Redis, *bodies: bytes) -> None:
    """Add bodies to the stream as one entry, like the receiver."""
    await redis.xadd(REPORTS, {BODY: pack(bodies)})


def make_reconciler(
    redis: Redis,
    applier: ReportApplier | None = None,
    *,
    classifier: ReportClassifier | None = None,
    relaying: bool = False,
    stop_words: Sequence[str] = ("STOP",),
    name: str | None = None,
    keys: tuple[str, str] = (ID_KEY, ""),
    clock: Clock = SYSTEM_CLOCK,
    dead_numbers: DeadNumberRule = NO_DEAD_NUMBERS,
    forwarding: Forwarding | None = None,
    hide: Hide | None = None,
    **limits: Any,
) -> Reconciler:
    """Make a reconciler that does not wait for new entries, and claims entries of dead reconcilers at every step.

    Args:
        redis: the ledger.
        applier: applies the reports; a new applier by default.
        classifier: reads the reports; made of *keys*, *relaying* and *stop_words* by default.
        relaying: whether reports about messages of other systems are relayed.
        stop_words: the first words of stop replies.
        name: the name of the consumer; chosen by the reconciler by default.
        keys: the id key and the old id key; empty for no key.
        clock: the clock of the reconciler.
        dead_numbers: the rule for dead numbers.
        forwarding: the forwarding of reports; no forwarding by default.
        hide: replaces forgotten phone numbers in bodies; None leaves bodies as they are.
        limits: fields of ``ReconcilerLimits``.
    """
    key, old_key = (key.encode() for key in keys)
    return Reconciler(
        redis,
        applier or ReportApplier(redis),
        classifier or ReportClassifier(CorrelationIds(key, old_key), relaying=relaying, stop_words=stop_words),
        IdKeyGuard(redis, key, old_key),
        name=name,
        limits=ReconcilerLimits(**{"block_ms": 1, "claim_every_s": 0.0, "read_every_s": 0.0, **limits}),
        dead_numbers=dead_numbers,
        forwarding=forwarding,
        hide=hide,
        clock=clock,
    )


async def settle(*reconcilers: Reconciler, steps: int = 3) -> None:
    """Let each reconciler make this many steps; the first step of all creates the consumer group."""
    for _ in range(steps):
        for reconciler in reconcilers:
            await reconciler.step()


async def is_settled(redis: Redis) -> bool:
    return await redis.xlen(REPORTS) == 0
