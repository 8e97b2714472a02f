"""Messages in the broker that nobody of this project sent, or that are damaged: a worker drops them, and goes on.

Without this module one such message ends a Celery worker: kombu's and Celery's event loops let no error but those of a
connection pass.
"""

from collections.abc import Callable
from typing import Any, Final

import structlog
from celery.worker.consumer import Consumer
from kombu.transport import redis
from redis.exceptions import DataError

log = structlog.get_logger(__name__)

UNREADABLE: Final = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError, DataError)
"""The errors of a message that has not the form of a Celery message. Errors of connections are none of these."""


def _log_dropped(error: Exception) -> None:
    # No text of the error: it may quote the message.
    log.error("a message in the broker cannot be read, and is dropped", error=type(error).__name__)


class _SkippingChannel(redis.Channel):
    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]  # not in the stubs
        except (ValueError, RecursionError) as error:  # the entry is no JSON; the pop has taken it out of the queue
            _log_dropped(error)
            return True


class SkippingTransport(redis.Transport):
    """kombu's Redis, which drops entries of queues that are no messages."""

    Channel = _SkippingChannel

    def _deliver(self, message: Any, queue: Any) -> None:
        # The entry is out of its queue already when kombu finds that a part is missing.
        try:
            super()._deliver(message, queue)
        except UNREADABLE as error:
            _log_dropped(error)


class _SkippingSentinelChannel(_SkippingChannel, redis.SentinelChannel):
    pass


class SkippingSentinelTransport(redis.SentinelTransport):
    """The same behind Sentinel."""

    Channel = _SkippingSentinelChannel

    def _deliver(self, message: Any, queue: Any) -> None:
        # The entry is out of its queue already when kombu finds that a part is missing.
        try:
            super()._deliver(message, queue)
        except UNREADABLE as error:
            _log_dropped(error)


TRANSPORTS: Final[dict[type, type]] = {
    redis.Transport: SkippingTransport,
    redis.SentinelTransport: SkippingSentinelTransport,
}
"""What stands in the place of kombu's own transports."""


class SkippingConsumer(Consumer):
    """Celery's consumer, which drops messages whose headers or properties it cannot use, with every broker."""

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        """Return Celery's handler, without its errors."""
        handle = super().create_task_handler(*args, **kwargs)

        def on_task_received(message: Any) -> None:
            try:
                handle(message)
            except UNREADABLE as error:
                _log_dropped(error)
                if not message.acknowledged:  # else the broker gives the message to the next worker
                    message.ack()

        return on_task_received
