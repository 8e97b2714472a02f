"""Messages in the broker that nobody of this project sent, or that are damaged: a worker drops them, and goes on.

One such message would end a Celery worker: kombu's and Celery's event loops let no error but those of a connection pool
pass. The transports here drop what is no message; ``SkippingConsumer`` drops messages that Celery cannot use. The same
loops let no error pass that a channel raises when it is closed after a lost connection, so the channels here raise the
error of a lost connection then.
"""

from typing import Any, Final

import structlog
from kombu.transport import redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import DataError

log = structlog.get_logger(__name__)

UNREADABLE: Final = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError, DataError)
"""The errors of a message that has not the form of a Celery message. Errors of connections are none of these."""


def log_dropped(error: Exception) -> None:
    """Log that a message was dropped because of an error."""
    # No text of the error: it may quote the message.
    log.error("a message in the broker cannot be read, and is dropped", error=type(error).__name__)


class _SkippingChannel(redis.Channel):
    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]  # not in the stubs
        except (ValueError, RecursionError) as error:  # the entry is no JSON; the pop has taken it out of the queue
            log_dropped(error)
            return True

    def _connparams(self, *args: Any, **options: Any) -> Any:
        # After a lost connection Celery closes a channel twice, the second time without its transport's client. What
        # the channel wants from Redis then, to give unacknowledged messages back, would be an AttributeError, and end
        # the worker. Redis gives the messages back itself after the visibility time-out.
        if self.connection is None or self.connection.client is None:
            raise RedisConnectionError("the connection to the broker is closed")
        return super()._connparams(*args, **options)  # type: ignore[misc]  # not in the stubs


class SkippingTransport(redis.Transport):
    """kombu's Redis, which drops entries of queues that are no messages."""

    Channel = _SkippingChannel

    def _deliver(self, message: Any, queue: Any) -> None:
        # The entry is out of its queue already when kombu finds that a part is missing.
        try:
            super()._deliver(message, queue)
        except UNREADABLE as error:
            log_dropped(error)


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
            log_dropped(error)


TRANSPORTS: Final[dict[type, type]] = {
    redis.Transport: SkippingTransport,
    redis.SentinelTransport: SkippingSentinelTransport,
}
"""What stands in the place of kombu's own transports."""
