"""Celery's events, as Flower receives them."""

import contextlib
import time
from typing import Any

from celery import Celery
from celery.events.state import State
from redis import Redis


class Flower:
    """Receives Celery's events in the same way as Flower."""

    def __init__(self, app: Celery) -> None:
        self.events: list[dict[str, Any]] = []
        self.state: Any = State()  # the type stubs do not describe the tables of State
        self._connection = app.connection_for_read()
        receiver: Any = app.events.Receiver(self._connection, handlers={"*": self._on_event})
        self._consumer = receiver.get_consumers(self._connection.Consumer, self._connection.default_channel)[0]
        self._consumer.consume()
        with Redis.from_url(app.conf.broker_url) as redis:
            before = _listeners(redis)
            while _listeners(redis) == before:
                self._drain(0.01)

    def _drain(self, timeout_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            self._connection.drain_events(timeout=timeout_s)

    def _on_event(self, event: dict[str, Any]) -> None:
        self.events.append(event)
        self.state.event(event)

    def receive(self, count: int) -> list[dict[str, Any]]:
        """Return the next *count* events."""
        seen = len(self.events)
        deadline = time.monotonic() + 30
        while len(self.events) < seen + count and time.monotonic() < deadline:
            self._drain(0.2)
        assert len(self.events) == seen + count
        return self.events[seen:]

    @property
    def row(self) -> Any:
        """The only row; it is an error if there are none or several."""
        (row,) = self.state.tasks.values()
        return row

    def receive_all(self) -> list[dict[str, Any]]:
        """Return every event that was sent so far."""
        seen = -1
        while len(self.events) > seen:
            seen = len(self.events)
            self._drain(0.1)
        return self.events

    def close(self) -> None:
        self._consumer.cancel()
        self._connection.release()


def _listeners(redis: Redis) -> int:
    return int(redis.pubsub_numpat()) + len(redis.pubsub_channels())
