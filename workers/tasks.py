"""The Celery tasks: each takes ids and makes one call; Flower shows the returned word."""

from typing import Any

from celery import Celery, Task

from times_dispatch.broker.app import BATCH_TASK, UPKEEP_TASK
from times_dispatch.broker.beat_scheduler import SENT_HEADER, TOKEN_HEADER
from times_dispatch.broker.queues import URGENT_QUEUE
from times_dispatch.ledger.model import BatchRef, CampaignId, SenderId
from workers.process import WorkerProcess


def register(app: Celery, process: WorkerProcess) -> None:
    """Define the tasks on an app."""

    @app.task(name=BATCH_TASK, bind=True)
    def batch(self: Any, sender: str, campaign: str, number: int) -> str:
        is_urgent = (self.request.delivery_info or {}).get("routing_key") == URGENT_QUEUE
        return process.run(BatchRef(SenderId(sender), CampaignId(campaign), number), is_urgent=is_urgent).value

    class Silent(Task):  # type: ignore[type-arg]  # the stubs' parameters exist for type checkers only
        """A task that Flower does not show, because a row every second would hide the others."""

        send_events = False

    @app.task(name=UPKEEP_TASK, base=Silent, bind=True)
    def upkeep(self: Any) -> None:
        # Celery makes an attribute of each header; beats of older versions send no headers.
        get = self.request.get
        process.upkeep(beat_token=get(TOKEN_HEADER) or 0, sent_ms=get(SENT_HEADER) or 0)
