"""The consumer of a Celery worker, which drops messages that Celery cannot use.

This module imports Celery's worker, so processes that only wake workers must not import it.
"""

from collections.abc import Callable
from typing import Any

from celery.worker.consumer import Consumer

from times_dispatch.broker.redis_transports import UNREADABLE, log_dropped


class SkippingConsumer(Consumer):
    """Celery's consumer, which drops messages with unusable headers or properties, with every broker."""

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        """Return Celery's handler of a message, which logs and drops a message instead of raising an error."""
        handle = super().create_task_handler(*args, **kwargs)

        def on_task_received(message: Any) -> None:
            try:
                handle(message)
            except UNREADABLE as error:
                log_dropped(error)
                if not message.acknowledged:  # otherwise the next worker gets the message
                    message.ack()

        return on_task_received
