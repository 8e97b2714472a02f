"""When the ledger wrote a reply, on the monotonic clock of a process."""

import math


class ReplyClock:
    """Says when the ledger wrote a reply, on the monotonic clock of the process.

    A reply may wait for a process that is stalled, or for a slow connection. Its send times have passed then, although
    the reply looks new. So a reply has the time of the ledger, and each reply tells how far the clocks lie apart at
    least and at most: it was written between its question and its arrival, as in NTP. The quickest reply tells it best,
    and counts until another reply contradicts it, because a clock was set or runs faster.
    """

    def __init__(self) -> None:
        self._apart_s = math.inf
        """How far the monotonic clock is ahead of the ledger's."""

    def moment(self, ledger_s: float, *, asked_at: float, replied_at: float) -> float:
        """Return when the ledger wrote a reply, on the monotonic clock; between the question and the reply.

        Args:
            ledger_s: the time in the reply, in epoch seconds; 0 if the reply has none.
            asked_at: when the question was sent, on the monotonic clock.
            replied_at: when the reply was read, on the monotonic clock.
        """
        if not ledger_s:
            return replied_at
        self._apart_s = max(asked_at - ledger_s, min(self._apart_s, replied_at - ledger_s))
        return ledger_s + self._apart_s
