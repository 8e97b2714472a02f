"""How many messages the provider has accepted, watched in the background, and the longest time without one."""

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
        self.max_gap_s = 0.0
        """The longest time between two answers with different numbers, from the first message to the last."""
        self._stack = stack
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def wait_for(self, accepted: int, *, within_s: float) -> None:
        """Wait until the provider has accepted so many messages."""
        until = time.monotonic() + within_s
        while self.accepted < accepted:
            if time.monotonic() > until:
                raise TimeoutError(f"{self.accepted} of {accepted} messages arrived within {within_s:.0f} s")
            time.sleep(_EVERY_S)

    def _watch(self) -> None:
        since = 0.0
        while not self._stop.wait(_EVERY_S):
            with suppress(httpx.HTTPError):
                accepted = int(self._stack.books()["all"]["accepted"])
                now = time.monotonic()
                if accepted == self.accepted:
                    continue
                if since:
                    self.max_gap_s = max(self.max_gap_s, now - since)
                self.accepted, since = accepted, now

    def __enter__(self) -> "PushMeter":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(40)
