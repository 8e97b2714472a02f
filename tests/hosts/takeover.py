"""Measures how soon other workers take the batches of a cut-off host: such a batch gets a new fencing token."""

import threading
import time
from collections.abc import Sequence

from redis import Redis, RedisError

from times_dispatch.ledger.keys import BatchKey, LeaseField, batch_key
from times_dispatch.ledger.model import CampaignId, SenderId

_EVERY_S = 0.2


class TakeoverWatch:
    """A context manager that is entered at the moment of a cut, and reads all leases five times per second."""

    def __init__(self, redis_url: str, campaigns: Sequence[tuple[SenderId, CampaignId]], batches: int) -> None:
        self._keys = [
            batch_key(sender, campaign, BatchKey.LEASE, number)
            for sender, campaign in campaigns
            for number in range(batches)
        ]
        self._redis = Redis.from_url(redis_url, socket_timeout=10)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._began_at = 0.0
        self._at_first: dict[str, int] = {}
        self.taken_over_s: dict[str, float] = {}
        """For each batch that was leased at the beginning, the seconds until the batch had another token."""
        self._first_leases_ended = threading.Event()

    def wait_until_taken_over(self, within_s: float) -> None:
        """Wait until all leases of the beginning have ended and a batch was taken over, at most *within_s* seconds."""
        self._first_leases_ended.wait(within_s)

    def _tokens(self) -> dict[str, int]:
        pipe = self._redis.pipeline(transaction=False)
        for key in self._keys:
            pipe.hget(key, LeaseField.TOKEN)
        return {key: int(token) for key, token in zip(self._keys, pipe.execute(), strict=True) if token}

    def _watch(self) -> None:
        while not self._stop.wait(_EVERY_S):
            try:
                now = self._tokens()
            except RedisError:
                continue
            for key, token in self._at_first.items():
                if key not in self.taken_over_s and now.get(key, token) != token:
                    self.taken_over_s[key] = time.monotonic() - self._began_at
            if self.taken_over_s and not self._at_first.items() & now.items():
                self._first_leases_ended.set()

    def __enter__(self) -> "TakeoverWatch":
        self._at_first = self._tokens()
        self._began_at = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(20)
        self._redis.close()
