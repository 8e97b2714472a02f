"""Which providers this process cannot reach, although other processes may: it leaves their batches to others."""

from collections.abc import Sequence
from typing import Final

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.provider.failures import Failure
from times_dispatch.provider.outcomes import Outcome

_NO_RESPONSE: Final = frozenset(
    {
        Failure.DNS,
        Failure.REFUSED,
        Failure.CONNECT_TIMEOUT,
        Failure.TLS,
        Failure.POOL_TIMEOUT,
        Failure.UNREACHABLE,
        Failure.READ_TIMEOUT,
        Failure.CONNECTION_LOST,
    }
)
"""Failures of pushes to which a process that is cut off from the provider comes."""
_FIRST_RESPONSE_CODE: Final = 100
_MAX_PASSED_ON: Final = 2
"""So often in a row a batch is passed on; then this process tries the provider again, for others may be cut off too."""


class _Failing:
    """A provider without a response since its first failure."""

    __slots__ = ("last_at", "passed_on", "since")

    def __init__(self, now: float) -> None:
        self.since = self.last_at = now
        self.passed_on = 0


class ProviderReach:
    """Notes the outcomes of the pushes of a process, and says whether others should try instead."""

    def __init__(self, *, lost_after_s: float = 3.0, lost_for_s: float = 10.0, clock: Clock = SYSTEM_CLOCK) -> None:
        """Make the notes of a process.

        Args:
            lost_after_s: a provider is lost when pushes got no response for this long.
            lost_for_s: the provider is lost for this long after the last failure.
            clock: times both.
        """
        self._lost_after_s = lost_after_s
        self._lost_for_s = lost_for_s
        self._clock = clock
        self._failing: dict[str, _Failing] = {}

    def note_response(self, provider: str) -> None:
        """Note that a provider answered."""
        if self._failing:
            self._failing.pop(provider, None)

    def note(self, provider: str, outcomes: Sequence[Outcome | None]) -> None:
        """Note the outcomes of a group of pushes; None is a push that never began."""
        codes = {outcome.code for outcome in outcomes if outcome}
        if any(code >= _FIRST_RESPONSE_CODE for code in codes):
            self.note_response(provider)
        elif codes & _NO_RESPONSE:
            now = self._clock.monotonic()
            self._failing.setdefault(provider, _Failing(now)).last_at = now

    def is_lost(self, provider: str) -> bool:
        """Return whether a provider has not answered this process for some time, in spite of pushes just now."""
        failing = self._failing.get(provider)
        if failing is None:
            return False
        is_recent = self._clock.monotonic() - failing.last_at < self._lost_for_s
        return is_recent and failing.last_at - failing.since >= self._lost_after_s

    def passes_on(self, provider: str) -> bool:
        """Return whether a batch should go to another process; False after some times, so that this process tries."""
        if not self.is_lost(provider):
            return False
        failing = self._failing[provider]
        failing.passed_on = (failing.passed_on + 1) % (_MAX_PASSED_ON + 1)
        return failing.passed_on > 0
