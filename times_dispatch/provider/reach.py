"""Which providers this process cannot reach, although other processes may: it leaves their messages to others.

A provider is lost to the process when pushes fail without a response, and the last response is some seconds old. Then
the process opens no messages for the provider until it has seen a sign of the provider. After failures to connect, the
sign is a connection on which nothing is sent (``workers/reach_watch.py`` makes it). After pushes that were sent and got
no response a connection proves nothing. So one message is tried next in both cases: a response ends the loss, a failure
begins a longer wait.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.provider.failures import NOT_SENT, Failure
from times_dispatch.provider.outcomes import Outcome

_SENT: Final = frozenset({Failure.READ_TIMEOUT, Failure.CONNECTION_LOST})
"""Failures after the request was sent. Such a message is in doubt, so these are tried less often."""
_NO_RESPONSE: Final = frozenset(NOT_SENT) | _SENT
"""Failures of pushes to which a process that is cut off from the provider comes."""
_FIRST_RESPONSE_CODE: Final = 100
_FIRST_WAIT_S: Final = 0.5
_MAX_WAIT_S: Final = 4.0
"""The longest wait between two attempts that cost no message."""
_MAX_WAIT_AFTER_SENDING_S: Final = 30.0
"""The longest wait before another message is tried that may come to be in doubt."""
_FORGOTTEN_AFTER_S: Final = 10.0
"""Failures that are so far apart do not mean that the provider was away between them."""


class OpeningLimits(NamedTuple):
    """What a process may do with the providers of a chain."""

    lost: Sequence[str] = ()
    """The providers for which nothing may be opened."""
    tried: str = ""
    """The provider for which one message may be opened, to find out whether the provider is back; empty for none. The
    caller ends this try with ``ProviderReach.end_try``."""


_ALL_REACHED: Final = OpeningLimits()


class _Silence:
    """A provider without a response since a failure."""

    __slots__ = ("due_at", "is_lost", "is_sign_seen", "is_tried", "last_at", "since", "wait_s", "was_sent")

    def __init__(self, now: float, *, since: float) -> None:
        self.since, self.last_at = since, now
        """When the provider last answered, or the first failure if that is not known; and the last failure."""
        self.was_sent = False
        """Whether the last failure came after the request was sent."""
        self.is_lost = False
        self.wait_s = _FIRST_WAIT_S
        self.due_at = now
        """When a connection may be tried next, on the monotonic clock."""
        self.is_sign_seen = False
        """Whether a message may be tried: a connection was made since the last failure."""
        self.is_tried = False
        """Whether a batch tries a message at the moment."""

    def wait_longer(self, now: float) -> None:
        """Begin a wait before the next try."""
        self.is_sign_seen, self.due_at = False, now + self.wait_s
        self.wait_s = min(2 * self.wait_s, _MAX_WAIT_AFTER_SENDING_S if self.was_sent else _MAX_WAIT_S)


class ProviderReach:
    """Notes the outcomes of the pushes of a process, and says what the process may open."""

    def __init__(self, *, lost_after_s: float = 3.0, clock: Clock = SYSTEM_CLOCK) -> None:
        """Make the notes of a process.

        Args:
            lost_after_s: a provider is lost when two groups of pushes failed, and the last response is this old.
            clock: times the losses and the waits.
        """
        self.has_lost = asyncio.Event()
        """Set while a provider is lost."""
        self._lost_after_s = lost_after_s
        self._clock = clock
        self._silent: dict[str, _Silence] = {}
        self._answered: dict[str, float] = {}
        """When each provider last answered, on the monotonic clock."""

    def note_response(self, provider: str) -> None:
        """Note that a provider answered."""
        self._answered[provider] = self._clock.monotonic()
        if self._silent and provider in self._silent:
            del self._silent[provider]
            self._update_event()

    def note(self, provider: str, outcomes: Sequence[Outcome | None]) -> None:
        """Note the outcomes of a group of pushes; None is a push that never began."""
        codes = {outcome.code for outcome in outcomes if outcome}
        if any(code >= _FIRST_RESPONSE_CODE for code in codes):
            self.note_response(provider)
        elif codes & _NO_RESPONSE:
            self._note_failure(provider, was_sent=bool(codes & _SENT))

    def is_lost(self, provider: str) -> bool:
        """Return whether a provider has not answered this process for some time, in spite of pushes."""
        silence = self._silent.get(provider)
        return silence is not None and silence.is_lost

    def is_cut_off(self, chain: Sequence[str]) -> bool:
        """Return whether nothing may be opened for any provider of a chain now; may be called from any thread."""
        return bool(self._silent) and all(self.is_lost(name) and not self._may_try(name) for name in chain)

    def limits_of(self, chain: Sequence[str]) -> OpeningLimits:
        """Return what may be opened for a chain now; one batch at a time gets a provider to try."""
        if not self._silent:
            return _ALL_REACHED
        lost, tried = [], ""
        for name in chain:
            if not self.is_lost(name):
                continue
            if not tried and self._may_try(name):
                tried, self._silent[name].is_tried = name, True
            else:
                lost.append(name)
        return OpeningLimits(lost, tried)

    def end_try(self, provider: str) -> None:
        """End the try of a provider; a batch that pushed no message leaves the try to the next batch."""
        if silence := self._silent.get(provider):
            silence.is_tried = False

    def due(self) -> list[str]:
        """Return the lost providers to which a connection is to be tried now."""
        now = self._clock.monotonic()
        return [
            name
            for name, silence in self._silent.items()
            if silence.is_lost and not silence.is_sign_seen and silence.due_at <= now
        ]

    def note_connection(self, provider: str, *, is_made: bool) -> None:
        """Note whether a connection to a lost provider could be made; nothing was sent on it."""
        silence = self._silent.get(provider)
        if silence is None:
            return
        if is_made:
            silence.is_sign_seen = True
        else:
            silence.was_sent = False
            silence.wait_longer(self._clock.monotonic())

    def _may_try(self, provider: str) -> bool:
        silence = self._silent.get(provider)
        return silence is not None and silence.is_sign_seen and not silence.is_tried

    def _note_failure(self, provider: str, *, was_sent: bool) -> None:
        now = self._clock.monotonic()
        silence = self._silent.get(provider)
        if silence is None or (not silence.is_lost and now - silence.last_at >= _FORGOTTEN_AFTER_S):
            since = self._answered.get(provider, now)
            self._silent[provider] = silence = _Silence(now, since=since)
            silence.was_sent = was_sent
            return
        silence.last_at, silence.was_sent = now, was_sent
        if silence.is_lost and not silence.is_tried:
            return  # of a push that began before the loss
        if silence.is_lost or now - silence.since >= self._lost_after_s:
            silence.is_lost = True
            silence.wait_longer(now)
            self._update_event()

    def _update_event(self) -> None:
        if any(silence.is_lost for silence in self._silent.values()):
            self.has_lost.set()
        else:
            self.has_lost.clear()
