"""kombu's Redis transports for a worker that must survive unreadable entries of queues and lost connections.

The event loops of kombu and Celery survive only errors of connections; any other error ends the worker. An entry that
is damaged, or that another program put into a queue, raises such an error. The transports here drop entries that are no
messages, and ``SkippingConsumer`` drops messages that Celery cannot use. A channel of kombu that is closed after a lost
connection raises such an error too; the channels here raise the error of a lost connection instead.
"""

from typing import Any, Final

import structlog
from kombu.transport import redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import DataError

log = structlog.get_logger(__name__)

UNREADABLE: Final = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError, DataError)
"""The errors of a message that does not have the form of a Celery message. No error of a connection is among them."""


def log_dropped(error: Exception) -> None:
    """Log that a message was dropped because of an error."""
    # The text of the error is not logged, because the text may quote the message.
    log.error("a message in the broker cannot be read, and is dropped", error=type(error).__name__)


class _SkippingChannel(redis.Channel):
    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]  # not in the stubs
        except (ValueError, RecursionError) as error:  # the entry is no JSON, and BRPOP has removed it
            log_dropped(error)
            return True

    def _connparams(self, *args: Any, **options: Any) -> Any:
        # After a lost connection Celery closes a channel twice, the second time without the client of its transport.
        # Without the client, the call that gives unacknowledged messages back would raise an AttributeError and end the
        # worker. The messages are delivered again after the visibility time-out.
        if self.connection is None or self.connection.client is None:
            raise RedisConnectionError("the connection to the broker is closed")
        return super()._connparams(*args, **options)  # type: ignore[misc]  # not in the stubs


class SkippingTransport(redis.Transport):
    """kombu's transport for Redis, which drops entries of queues that are no messages."""

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
    """kombu's transport for Redis behind Sentinel, which drops entries of queues that are no messages."""

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
"""The transports that replace kombu's own transports."""
