"""The watch: looks at the ledger some times a second and writes down what could have been sent."""

import asyncio
import time
from bisect import bisect_right
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from redis.exceptions import RedisError

from tests.chaos.losses import doubted
from tests.chaos.stage import MessageKey, Stage
from times_dispatch.ledger.model import CampaignId, CampaignView, SenderId
from times_dispatch.ledger.queries import SenderView
from times_dispatch.ledger.states import LIVE, CampaignState, MessageState
from times_dispatch.provider.failures import Failure

_EVERY_S = 0.2
_LONGEST_HICCUP_S = 1.0
"""What lies between two looks that are further apart is not counted: nobody saw it."""


_WORKER_LOST = f"push:{Failure.WORKER_LOST}"
_PRESSURE = Path("/proc/pressure/cpu")


class Look(NamedTuple):
    """How things stood at one moment."""

    at_s: float
    workable: frozenset[str]
    """Senders that have something to send, and that nothing holds back."""


class Watch:
    """Keeps what it saw; ``look_on`` runs beside everything else."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._stopped = False
        self._lost: Counter[CampaignId] = Counter()
        self.looks: list[Look] = []
        self.doubted: dict[MessageKey, float] = {}
        """Messages that were seen in doubt because their worker was lost, and when they were first."""
        self.hiccup_s = 0.0
        """The longest that a short sleep overslept: how far this machine's clockwork can be trusted."""
        self.pressure = 0.0
        """Share of the time in which some process waited for a CPU; 0 where the system does not say."""

    async def look_on(self) -> None:
        """Look until told to ``stop``; a cancellation may be lost inside of a call to Redis."""
        began, waited_s = time.monotonic(), _cpu_waited_s()
        while not self._stopped:
            before = time.monotonic()
            self.pressure = (_cpu_waited_s() - waited_s) / max(before - began, _EVERY_S)
            await asyncio.sleep(0.01)
            self.hiccup_s = max(self.hiccup_s, time.monotonic() - before - 0.01)
            self.looks.append(await self._look())
            await asyncio.sleep(_EVERY_S)

    def stop(self) -> None:
        """Look no more."""
        self._stopped = True

    def longest_gap_s(self, sender: str, sent_s: list[float], *, begin_s: float, end_s: float) -> float:
        """Return the longest time in which the sender could have sent and did not; *sent_s* are sorted moments.

        Only time in which something was there to be sent, nothing held it back, and what sending needs was running.
        """
        gap = longest = 0.0
        for look, following in pairwise(self.looks):
            if not begin_s <= look.at_s < end_s:
                continue
            if bisect_right(sent_s, look.at_s) < bisect_right(sent_s, following.at_s):
                gap = 0.0
            elif sender in look.workable and following.at_s - look.at_s <= _LONGEST_HICCUP_S:
                gap += following.at_s - look.at_s
                longest = max(longest, gap)
        return longest

    def seen(self, *, begin_s: float, end_s: float) -> float:
        """Return the share of the time in which looks were close enough to each other to notice a gap."""
        spans = [following.at_s - look.at_s for look, following in pairwise(self.looks) if begin_s <= look.at_s < end_s]
        return sum(span for span in spans if span <= _LONGEST_HICCUP_S) / sum(spans) if spans else 0.0

    async def _look(self) -> Look:
        at_s = time.time()
        if "redis" in self._stage.down:
            return Look(at_s, frozenset())
        try:
            live: list[CampaignView] = []
            for sender in set(self._stage.campaigns.values()):
                mine = [id_ for id_, of in self._stage.campaigns.items() if of == sender]
                views = await self._stage.views.of_sender(SenderId(sender), mine)
                await self._look_for_doubt(views, at_s)
                live += [view for view in views if view.state in LIVE]
            ready = {view.plan.sender for view in live if _is_ready(view, at_s)}
            senders = [await self._stage.views.sender(sender) for sender in ready]
        except RedisError:
            return Look(at_s, frozenset())
        free = frozenset(view.id for view in senders if not _is_held(view, at_s))
        return Look(at_s, free if self._stage.can_send else frozenset())

    async def _look_for_doubt(self, views: list[CampaignView], at_s: float) -> None:
        for view in views:
            lost = view.codes.get(_WORKER_LOST, 0)
            if lost > self._lost[view.id]:
                for key in await doubted(self._stage, view):
                    self.doubted.setdefault(key, at_s)
            self._lost[view.id] = lost


def _is_ready(view: CampaignView, now_s: float) -> bool:
    in_time = view.plan.start_at_ms <= now_s * 1000 < view.plan.valid_until_ms
    return view.state is CampaignState.RUNNING and view.counts[MessageState.PENDING] > 0 and in_time


def _is_held(sender: SenderView, now_s: float) -> bool:
    return sender.paused or any(held.brake or held.backing_off_until_ms > now_s * 1000 for held in sender.held)


def _cpu_waited_s() -> float:
    """Return the seconds since the system's start in which some process waited for a CPU (Linux says it)."""
    try:
        some, _, _ = _PRESSURE.read_text("ascii").partition("\n")
    except OSError:
        return 0.0
    return int(some.rpartition("total=")[2]) / 1e6
