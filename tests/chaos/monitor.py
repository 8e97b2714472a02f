"""The monitor: samples the ledger several times a second, and records which senders could have sent."""

import asyncio
import time
from bisect import bisect_right
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from redis.exceptions import RedisError

from tests.chaos.lost_workers import in_doubt_after_loss
from tests.chaos.testbed import ChaosTestbed, MessageKey
from times_dispatch.ledger.model import CampaignId, CampaignView, SenderId
from times_dispatch.ledger.sender_view import SenderView
from times_dispatch.ledger.states import LIVE, CampaignState, MessageState
from times_dispatch.provider.failures import Failure

_INTERVAL_S = 0.2
_MAX_SAMPLE_GAP_S = 1.0
"""Seconds: a longer time between two samples is not counted as a gap."""


_WORKER_LOST = f"push:{Failure.WORKER_LOST}"
_PRESSURE = Path("/proc/pressure/cpu")


class MonitorSample(NamedTuple):
    """The state of the run at one moment."""

    at_s: float
    able_to_send: frozenset[str]
    """Senders that have messages to send and are not held back."""


class Monitor:
    """Takes samples until ``stop``; ``run`` runs as a task beside the scenarios."""

    def __init__(self, testbed: ChaosTestbed) -> None:
        self._testbed = testbed
        self._stopped = False
        self._lost: Counter[CampaignId] = Counter()
        self.samples: list[MonitorSample] = []
        self.put_in_doubt: dict[MessageKey, float] = {}
        """Messages that were in doubt because their worker was lost, with the time of the first such sample."""
        self.max_wakeup_delay_s = 0.0
        """The longest delay of a short sleep, in seconds; a long delay shows an overloaded machine."""
        self.pressure = 0.0
        """Share of the time in which some process waited for a CPU; 0 if the system does not provide it."""

    async def run(self) -> None:
        """Take samples until ``stop`` is called."""
        began, waited_s = time.monotonic(), cpu_waited_s()
        while not self._stopped:
            before = time.monotonic()
            self.pressure = (cpu_waited_s() - waited_s) / max(before - began, _INTERVAL_S)
            await asyncio.sleep(0.01)
            self.max_wakeup_delay_s = max(self.max_wakeup_delay_s, time.monotonic() - before - 0.01)
            self.samples.append(await self._sample())
            await asyncio.sleep(_INTERVAL_S)

    def stop(self) -> None:
        """Let ``run`` end before its next look at the stack."""
        self._stopped = True

    def max_gap_s(self, sender: str, sent_s: list[float], *, begin_s: float, end_s: float) -> float:
        """Return the longest time in which the sender could have sent but did not send; *sent_s* are sorted.

        A time counts if the sender had messages to send, was not held back, and all processes that sending needs ran.
        """
        gap = longest = 0.0
        for sample, following in pairwise(self.samples):
            if not begin_s <= sample.at_s < end_s:
                continue
            if bisect_right(sent_s, sample.at_s) < bisect_right(sent_s, following.at_s):
                gap = 0.0
            elif sender in sample.able_to_send and following.at_s - sample.at_s <= _MAX_SAMPLE_GAP_S:
                gap += following.at_s - sample.at_s
                longest = max(longest, gap)
        return longest

    def seen(self, *, begin_s: float, end_s: float) -> float:
        """Return the share of the time in which samples were close enough to each other to show a gap."""
        spans = [
            following.at_s - sample.at_s
            for sample, following in pairwise(self.samples)
            if begin_s <= sample.at_s < end_s
        ]
        return sum(span for span in spans if span <= _MAX_SAMPLE_GAP_S) / sum(spans) if spans else 0.0

    async def _sample(self) -> MonitorSample:
        at_s = time.time()
        if "redis" in self._testbed.down:
            return MonitorSample(at_s, frozenset())
        try:
            live: list[CampaignView] = []
            for sender in set(self._testbed.campaigns.values()):
                ids = [
                    campaign
                    for campaign, its_sender in self._testbed.campaigns.items()
                    if its_sender == sender and campaign not in self._testbed.unwatched
                ]
                views = await self._testbed.queries.of_sender(SenderId(sender), ids)
                await self._note_messages_in_doubt(views, at_s)
                live += [view for view in views if view.state in LIVE]
            await self._testbed.standstills.look(self._testbed.redis, live, at_s)
            ready = {view.plan.sender for view in live if _is_ready(view, at_s)}
            senders = [await self._testbed.queries.sender(sender) for sender in ready]
        except RedisError:
            return MonitorSample(at_s, frozenset())
        able_to_send = frozenset(view.id for view in senders if not _is_held(view, at_s))
        return MonitorSample(at_s, able_to_send if self._testbed.can_send else frozenset())

    async def _note_messages_in_doubt(self, views: list[CampaignView], at_s: float) -> None:
        for view in views:
            lost = view.codes.get(_WORKER_LOST, 0)
            if lost > self._lost[view.id]:
                for key in await in_doubt_after_loss(self._testbed, view):
                    self.put_in_doubt.setdefault(key, at_s)
            self._lost[view.id] = lost


def _is_ready(view: CampaignView, now_s: float) -> bool:
    in_time = view.plan.start_at_ms <= now_s * 1000 < view.plan.valid_until_ms
    return view.state is CampaignState.RUNNING and view.counts[MessageState.PENDING] > 0 and in_time


def _is_held(sender: SenderView, now_s: float) -> bool:
    return sender.paused or any(held.brake or held.backing_off_until_ms > now_s * 1000 for held in sender.unavailable)


def cpu_waited_s() -> float:
    """Return the seconds since the start of the system in which some process waited for a CPU; 0 if not on Linux."""
    try:
        some, _, _ = _PRESSURE.read_text("ascii").partition("\n")
    except OSError:
        return 0.0
    return int(some.rpartition("total=")[2]) / 1e6
