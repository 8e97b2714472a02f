"""The spacing of a sender's pushes in one process: messages that are late go between others, and never in a bunch.

The ledger gives out slots at the sender's rate. A worker that was held up (a busy machine, a stalled event loop, a late
reply of the ledger, a full push queue) has messages whose slots have passed. If the worker pushed all of them at once,
the provider would see more than the rate in that second. So a late message waits, and goes between messages that are on
time, one for every 25 of those. A late message that waits for too long goes back as pending, and gets a new slot.
"""

import asyncio
from collections import deque
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from times_dispatch.clock import Clock
from times_dispatch.ledger.model import CampaignId, SenderId

if TYPE_CHECKING:
    from workers.batch.push_queue import QueuedPush

_MAX_LATE_S = 0.035
"""A message is late when its push would begin this long after its slot, or a whole slot later if that is longer."""
_CATCH_UP_SHARE = 0.04
"""For each message that is on time, this part of a late one may go."""
_MAX_WAIT_S = 0.2
"""Late messages are looked through this often for those that must go back."""
_PERIOD_S = 1.0


class RecentMinimum:
    """The least value of the present period of a second and of the one before it."""

    def __init__(self) -> None:
        self._period = -1
        self._least = self._least_before = float("inf")

    def note(self, value: float, now: float) -> float:
        """Take notice of a value, and return the least one."""
        period = int(now / _PERIOD_S)
        if period != self._period:
            self._least_before = self._least if period == self._period + 1 else float("inf")
            self._least, self._period = value, period
        self._least = min(self._least, value)
        return min(self._least, self._least_before)


class LedgerClock:
    """Says when, on this process' monotonic clock, something happened at a time of the ledger's clock.

    The quickest reply of the last seconds tells how far apart the two clocks are: a reply that took longer was late on
    its way. A jump of the ledger's clock, and a ledger that is slow for long, are forgotten after two periods.
    """

    def __init__(self) -> None:
        self._apart = RecentMinimum()

    def opened_at(self, ledger_s: float, *, replied_at: float) -> float:
        """Return when a block was opened, on the monotonic clock.

        Args:
            ledger_s: when the block was opened, by the ledger's clock.
            replied_at: when the reply was read, on the monotonic clock.
        """
        return ledger_s + self._apart.note(replied_at - ledger_s, replied_at)


class SenderSpacing:
    """The late messages of one sender in this process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._late: deque[QueuedPush] = deque()
        self._usual_delay = RecentMinimum()
        self._credit = 0.0
        self._giving_back: asyncio.Task[None] | None = None

    def is_late(self, slot: float, interval_s: float, now: float) -> bool:
        """Say whether a push that begins now is late.

        A process that is always late is on time: its pushes are as far apart as their slots.

        Args:
            slot: the message's slot, on the monotonic clock.
            interval_s: how far the slots of the sender are apart.
            now: the present moment, on the monotonic clock.
        """
        delay_s = now - slot
        return delay_s - self._usual_delay.note(delay_s, now) > max(_MAX_LATE_S, interval_s)

    def put_off(self, message: "QueuedPush") -> None:
        """Keep a late message until ``next_late`` returns it; when that takes too long it goes back."""
        self._late.append(message)
        if self._giving_back is None or self._giving_back.done():
            self._giving_back = asyncio.create_task(self._give_back_expired())

    def next_late(self) -> "QueuedPush | None":
        """Return a late message that may go after a message that was on time, if it is the turn of one."""
        if not self._late:
            self._credit = 0.0
            return None
        self._credit += _CATCH_UP_SHARE
        if self._credit < 1:
            return None
        self._credit -= 1
        return self._late.popleft()

    async def _give_back_expired(self) -> None:
        while self._late:
            now = self._clock.monotonic()
            if self._late[0].start_by <= now:
                self._late.popleft().give_back()
            else:
                await self._clock.sleep(min(self._late[0].start_by - now, _MAX_WAIT_S))


class Spacings:
    """The spacing of every sender in a process, and the clock of the ledger that their slots are in."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._spacings: WeakValueDictionary[tuple[SenderId, CampaignId | None], SenderSpacing] = WeakValueDictionary()
        self.ledger_clock = LedgerClock()

    def of(self, sender: SenderId, campaign: CampaignId | None = None) -> SenderSpacing:
        """Return the spacing of a sender, or of a campaign with a rate of its own; all its batches share one."""
        spacing = self._spacings.get((sender, campaign)) or SenderSpacing(self._clock)
        self._spacings[sender, campaign] = spacing
        return spacing
