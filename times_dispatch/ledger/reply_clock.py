"""The time at which the ledger wrote a reply, on the monotonic clock of a process."""

import math


class ReplyClock:
    """Computes when the ledger wrote a reply, on the monotonic clock of the process.

    A reply may be late because the process is stalled or the connection is slow. The send times in the reply may then
    have passed, although the reply has just arrived. So a reply has the time of the ledger. As in NTP, each reply
    limits the difference of the clocks, because the ledger wrote the reply between the request and its arrival. The
    quickest reply gives the best limit, which counts until another reply contradicts it, because a clock was set or
    runs faster.
    """

    def __init__(self) -> None:
        self._apart_s = math.inf
        """By how many seconds the monotonic clock is ahead of the ledger's clock."""

    def moment(self, ledger_s: float, *, asked_at: float, replied_at: float) -> float:
        """Return when the ledger wrote a reply, on the monotonic clock, between *asked_at* and *replied_at*.

        Args:
            ledger_s: the time in the reply, in epoch seconds; 0 if the reply has none.
            asked_at: when the request was sent, on the monotonic clock.
            replied_at: when the reply was read, on the monotonic clock.
        """
        if not ledger_s:
            return replied_at
        self._apart_s = max(asked_at - ledger_s, min(self._apart_s, replied_at - ledger_s))
        return ledger_s + self._apart_s
