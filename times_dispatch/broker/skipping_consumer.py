"""The consumer of a Celery worker, which drops messages that Celery cannot use.

This module imports Celery's worker, so processes that only wake workers must not import it.
"""

from collections.abc import Callable
from typing import Any

from celery.worker.consumer import Consumer

from times_dispatch.broker.unreadable_messages import UNREADABLE, log_dropped


class SkippingConsumer(Consumer):
    """Celery's consumer, which drops messages whose headers or properties it cannot use, with every broker."""

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        """Return Celery's handler, without its errors."""
        handle = super().create_task_handler(*args, **kwargs)

        def on_task_received(message: Any) -> None:
            try:
                handle(message)
            except UNREADABLE as error:
                log_dropped(error)
                if not message.acknowledged:  # else the broker gives the message to the next worker
                    message.ack()

        return on_task_received
