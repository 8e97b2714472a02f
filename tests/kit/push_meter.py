"""Counts, in the background, the messages that the provider has accepted, and the longest time without a message."""

import threading
import time
from contextlib import suppress

import httpx

from times_dispatch.demo.stack import Stack

_EVERY_S = 0.2


class PushMeter:
    """A context manager that asks the sandbox five times a second."""

    def __init__(self, stack: Stack) -> None:
        self.accepted = 0
        self.gaps_s: dict[str, float] = {}
        """For each sender, the longest time between two of its messages, in seconds."""
        self._stack = stack
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def wait_for(self, accepted: int, *, within_s: float) -> None:
        """Wait until the provider has accepted this many messages."""
        until = time.monotonic() + within_s
        while self.accepted < accepted:
            if time.monotonic() > until:
                raise TimeoutError(f"{self.accepted} of {accepted} messages arrived within {within_s:.0f} s")
            time.sleep(_EVERY_S)

    @property
    def max_gap_s(self) -> float:
        """The longest time between two messages of the same sender, in seconds."""
        return max(self.gaps_s.values(), default=0.0)

    def _watch(self) -> None:
        seen: dict[str, tuple[int, float]] = {}
        while not self._stop.wait(_EVERY_S):
            with suppress(httpx.HTTPError):
                books, now = self._stack.books(), time.monotonic()
                self.accepted = int(books["all"]["accepted"])
                for sender, counters in books["senders"].items():
                    before, since = seen.get(sender, (0, now))
                    if counters["accepted"] != before:
                        self.gaps_s[sender] = max(self.gaps_s.get(sender, 0.0), now - since)
                        seen[sender] = (counters["accepted"], now)

    def __enter__(self) -> "PushMeter":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(40)
