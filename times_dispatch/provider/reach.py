"""The providers that this process cannot reach; it leaves their messages to other processes.

A provider is lost to the process when pushes fail without a response, and the last response is some seconds old. Then
the process opens no messages for the provider. If the pushes failed to connect, the process first tries to connect,
without sending anything (``workers/reach_watch.py``). If pushes were sent and got no response, a connection would prove
nothing. In both cases, the process then tries one message: a response ends the loss, and a failure begins a longer
wait.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.provider.failures import NOT_SENT, Failure
from times_dispatch.provider.outcomes import Outcome

_SENT: Final = frozenset({Failure.READ_TIMEOUT, Failure.CONNECTION_LOST})
"""The failures after the request was sent. The message is then in doubt, so such a provider is tried less often."""
_NO_RESPONSE: Final = frozenset(NOT_SENT) | _SENT
"""The failures of pushes in a process that is cut off from the provider."""
_FIRST_RESPONSE_CODE: Final = 100
_FIRST_WAIT_S: Final = 0.5
_MAX_WAIT_S: Final = 4.0
"""The longest wait, in seconds, between two tries that put no message in doubt."""
_MAX_WAIT_AFTER_SENDING_S: Final = 30.0
"""The longest wait, in seconds, between two tries that may put a message in doubt."""
_FORGOTTEN_AFTER_S: Final = 10.0
"""Two failures with more than this time, in seconds, between them are not counted as one loss."""


class OpeningLimits(NamedTuple):
    """The providers of a chain for which a process may open messages."""

    lost: Sequence[str] = ()
    """The providers for which no message may be opened."""
    tried: str = ""
    """The provider for which one message may be opened, to find out whether the provider is back; empty for none. The
    caller ends this try with ``ProviderReach.end_try``."""


_ALL_REACHED: Final = OpeningLimits()


class _Silence:
    """A provider without a response since a failure."""

    __slots__ = ("due_at", "is_lost", "is_sign_seen", "is_tried", "last_at", "since", "wait_s", "was_sent")

    def __init__(self, now: float, *, since: float) -> None:
        self.since, self.last_at = since, now
        """The time of the last response, or of the first failure if there was no response; and the time of the last
        failure.
        """
        self.was_sent = False
        """Whether the last failure came after the request was sent."""
        self.is_lost = False
        self.wait_s = _FIRST_WAIT_S
        self.due_at = now
        """When a connection may be tried next, by the monotonic clock."""
        self.is_sign_seen = False
        """Whether a message may be tried: a connection was made since the last failure."""
        self.is_tried = False
        """Whether a batch is trying a message now."""

    def wait_longer(self, now: float) -> None:
        """Begin a wait before the next try."""
        self.is_sign_seen, self.due_at = False, now + self.wait_s
        self.wait_s = min(2 * self.wait_s, _MAX_WAIT_AFTER_SENDING_S if self.was_sent else _MAX_WAIT_S)


class ProviderReach:
    """Notes the outcomes of a process's pushes, and decides for which providers the process may open messages."""

    def __init__(self, *, lost_after_s: float = 3.0, clock: Clock = SYSTEM_CLOCK) -> None:
        """Make the object of a process.

        Args:
            lost_after_s: a provider is lost when two groups of pushes failed, and the last response is this old, in
                seconds.
            clock: the clock of the losses and the waits.
        """
        self.has_lost = asyncio.Event()
        """Set while a provider is lost."""
        self._lost_after_s = lost_after_s
        self._clock = clock
        self._silent: dict[str, _Silence] = {}
        self._answered: dict[str, float] = {}
        """When each provider last answered, by the monotonic clock."""

    def note_response(self, provider: str) -> None:
        """Note that a provider answered."""
        self._answered[provider] = self._clock.monotonic()
        if self._silent and provider in self._silent:
            del self._silent[provider]
            self._update_event()

    def note(self, provider: str, outcomes: Sequence[Outcome | None]) -> None:
        """Note the outcomes of a group of pushes; None stands for a push that never began."""
        codes = {outcome.code for outcome in outcomes if outcome}
        if any(code >= _FIRST_RESPONSE_CODE for code in codes):
            self.note_response(provider)
        elif codes & _NO_RESPONSE:
            self._note_failure(provider, was_sent=bool(codes & _SENT))

    def is_lost(self, provider: str) -> bool:
        """Return whether a provider has not answered this process for some time, despite pushes."""
        silence = self._silent.get(provider)
        return silence is not None and silence.is_lost

    def is_cut_off(self, chain: Sequence[str]) -> bool:
        """Return whether no message may be opened for any provider of a chain now; may be called from any thread."""
        return bool(self._silent) and all(self.is_lost(name) and not self._may_try(name) for name in chain)

    def limits_of(self, chain: Sequence[str]) -> OpeningLimits:
        """Return the limits for a chain now; only one batch at a time gets a provider to try."""
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
        """Return the lost providers to which the process must try to connect now."""
        now = self._clock.monotonic()
        return [
            name
            for name, silence in self._silent.items()
            if silence.is_lost and not silence.is_sign_seen and silence.due_at <= now
        ]

    def note_connection(self, provider: str, *, is_made: bool) -> None:
        """Note whether a connection to a lost provider could be made; nothing was sent on the connection."""
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
            return  # a failure of a push that began before the loss
        if silence.is_lost or now - silence.since >= self._lost_after_s:
            silence.is_lost = True
            silence.wait_longer(now)
            self._update_event()

    def _update_event(self) -> None:
        if any(silence.is_lost for silence in self._silent.values()):
            self.has_lost.set()
        else:
            self.has_lost.clear()
