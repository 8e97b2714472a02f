"""When the ledger wrote a reply, on the monotonic clock of a process."""

import math

_PERIOD_S = 5.0
"""The replies of this period and of the one before tell how far the two clocks lie apart."""


class ReplyClock:
    """Says when the ledger wrote a reply, on the monotonic clock of the process.

    A reply may wait for a process that is stalled. Its send times have passed then, although the reply looks new. So a
    reply has the time of the ledger, and the shortest way that any of the last replies took tells how far the clocks
    lie apart, as NTP does it.
    """

    def __init__(self) -> None:
        self._since = -math.inf
        self._apart_s = self._apart_before_s = math.inf
        """The least that the monotonic clock was ahead of the ledger's, in this period and in the one before."""

    def moment(self, ledger_s: float, *, asked_at: float, replied_at: float) -> float:
        """Return when the ledger wrote a reply, on the monotonic clock; between the question and the reply.

        Args:
            ledger_s: the time in the reply, in epoch seconds; 0 if the reply has none.
            asked_at: when the question was sent, on the monotonic clock.
            replied_at: when the reply was read, on the monotonic clock.
        """
        if not ledger_s:
            return replied_at
        if (age_s := replied_at - self._since) > _PERIOD_S:
            self._apart_before_s = self._apart_s if age_s < 2 * _PERIOD_S else math.inf
            self._apart_s, self._since = math.inf, replied_at
        self._apart_s = min(self._apart_s, replied_at - ledger_s)
        return max(asked_at, ledger_s + min(self._apart_s, self._apart_before_s))
