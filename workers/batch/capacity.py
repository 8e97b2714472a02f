"""How many messages a process may have open at once, over all its batches; first come, first served."""

import asyncio
from collections import deque


class CapacityShare:
    """The part of the permits that the batches of one sender and chain have: they open blocks one after the other."""

    def __init__(self) -> None:
        self.held = 0
        """How many permits these batches hold."""
        self.lacks = 0
        """How many permits the last batch that asked was refused; 0 if the batch got as many as it wanted or could
        use."""


class _Waiter:
    """A batch that waits until *wanted* permits can be taken."""

    def __init__(self, wanted: int, lookahead: int) -> None:
        self.wanted = wanted
        self.lookahead = lookahead
        self.woken = asyncio.get_running_loop().create_future()


class Capacity:
    """Permits for open messages: one for each message, from before its block is opened until it has its result.

    A batch takes permits before it opens a block, so that the messages of the block can be pushed at once. Urgent
    batches are served before all others, and some permits are kept for them: while a provider does not answer, the
    batches of other campaigns may hold all other permits for a long time.

    Each share may have an equal part of all permits. While another share has less than its equal part and wants more, a
    batch leaves the missing permits free for that share. Otherwise the batches of a sender without a limit, which ask
    for all free permits, would leave none to a sender whose batches always ask a moment later.
    """

    def __init__(self, permits: int, *, kept: int = 0) -> None:
        """Make the permits of a process; *kept* permits are for urgent batches only."""
        self._permits = self._free = permits
        self._kept = kept
        self._lacking: set[CapacityShare] = set()
        self._urgent_held = 0
        self._urgent_waiters: deque[_Waiter] = deque()
        self._waiters: deque[_Waiter] = deque()
        self._is_closed = False

    @property
    def free(self) -> int:
        """The number of free permits; below 0 if batches took more permits than there are."""
        return self._free

    async def take(self, max_permits: int, *, share: CapacityShare, lookahead: int = 0, is_urgent: bool = False) -> int:
        """Wait until a permit is free, then take up to *max_permits*; return how many, or 0 when the process stops.

        Args:
            max_permits: the maximum number of permits that the batch can use.
            share: the share of the batch's sender and chain.
            lookahead: how many permits may be taken beyond those that are free. The wait then ends when at least half
                that many can be taken, and not after every single push: each take costs a call to the ledger.
            is_urgent: whether the batch is urgent; such a batch waits only for the first permit.
        """
        waiters = self._urgent_waiters if is_urgent else self._waiters
        wanted = 1 if is_urgent else max(1, min(max_permits, lookahead // 2))
        if not self._is_closed and (waiters or self._available(lookahead, is_urgent=is_urgent) < wanted):
            await self._wait(_Waiter(wanted, lookahead), waiters, is_urgent=is_urgent)
        if self._is_closed:
            return 0
        available = self._available(lookahead, is_urgent=is_urgent)
        owed = 0 if is_urgent else self._owed_to_others(share)
        taken = min(max_permits, available, max(wanted, available - owed))
        self._free -= taken
        share.held += taken
        self._note_lack(share, max_permits - taken)
        if is_urgent:
            self._urgent_held += taken
        self._wake_first()
        return taken

    def return_unused(self, permits: int, *, share: CapacityShare, is_urgent: bool = False) -> None:
        """Release permits that were taken for more messages than the ledger opened."""
        if permits:
            self.lack_none(share)
        self.release(permits, share=share, is_urgent=is_urgent)

    def lack_none(self, share: CapacityShare) -> None:
        """Note that the batches of a share want no more permits, so that other batches leave none free for them."""
        self._note_lack(share, 0)

    def release(self, permits: int, *, share: CapacityShare, is_urgent: bool = False) -> None:
        """Release permits; *is_urgent* says whether they were taken as urgent."""
        self._free += permits
        share.held -= permits
        if is_urgent:
            self._urgent_held -= permits
        self._wake_first()

    def close(self) -> None:
        """Hand out no permits any more; each batch that waits gets 0."""
        self._is_closed = True
        for waiter in (*self._urgent_waiters, *self._waiters):
            if not waiter.woken.done():
                waiter.woken.set_result(None)

    def _available(self, lookahead: int, *, is_urgent: bool) -> int:
        """Return how many permits may be taken; urgent batches alone may take the kept permits."""
        kept_free = max(0, self._kept - self._urgent_held)
        if is_urgent:
            return max(self._free + lookahead, kept_free)
        return self._free + lookahead - kept_free

    def _owed_to_others(self, share: CapacityShare) -> int:
        """Return how many permits other shares lack of an equal part of all permits."""
        others = self._lacking - {share}
        if not others:
            return 0
        equal = self._permits // (len(others) + 1)
        return sum(max(0, min(other.lacks, equal - other.held)) for other in others)

    def _note_lack(self, share: CapacityShare, lacks: int) -> None:
        share.lacks = lacks
        if lacks:
            self._lacking.add(share)
        else:
            self._lacking.discard(share)

    async def _wait(self, waiter: _Waiter, waiters: deque[_Waiter], *, is_urgent: bool) -> None:
        """Wait in the queue; a waiter leaves the queue only when it runs, so that no later waiter overtakes it."""
        waiters.append(waiter)
        try:
            await waiter.woken
            # An urgent batch may have taken the permits meanwhile.
            while not self._is_closed and self._available(waiter.lookahead, is_urgent=is_urgent) < waiter.wanted:
                waiter.woken = asyncio.get_running_loop().create_future()
                await waiter.woken
        except asyncio.CancelledError:
            waiters.remove(waiter)
            self._wake_first()
            raise
        waiters.remove(waiter)

    def _wake_first(self) -> None:
        for waiters, is_urgent in ((self._urgent_waiters, True), (self._waiters, False)):
            if not waiters or waiters[0].woken.done():
                continue
            if self._available(waiters[0].lookahead, is_urgent=is_urgent) >= waiters[0].wanted:
                waiters[0].woken.set_result(None)
