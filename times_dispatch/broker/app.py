"""Celery as this project uses it: a doorbell over Redis, never the owner of any work (docs/concepts.md)."""

import time
import uuid
from collections.abc import Callable, Collection, Sequence
from typing import Any, Self

from amqp.exceptions import AMQPError
from celery import Celery, signals
from celery.app.amqp import AMQP
from kombu import Connection, Exchange, Queue
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from times_dispatch.ledger.leases import BatchReady
from times_dispatch.ledger.model import CampaignId
from times_dispatch.settings import logs
from times_dispatch.settings.model import Settings

BATCH_TASK = "batch"
CAMPAIGN_TASK = "campaign"
UPKEEP_QUEUE = "upkeep"
URGENT_QUEUE = "urgent"
BULK_QUEUE = "bulk"

QUEUES = (UPKEEP_QUEUE, URGENT_QUEUE, BULK_QUEUE)
"""In the order in which a free worker empties them: upkeep is a message every few seconds, and it repairs."""

_FAILURES = (KombuError, OSError, RedisError, AMQPError)
"""kombu wraps some of what the libraries under it raise, not all."""

_RING_ATTEMPTS = 3
_RING_PAUSE_S = 0.2
_CAMPAIGN_ROWS = uuid.UUID("6f1f0f6e-3f0e-5b7a-9a54-6a3b0a1c7d11")


class BrokerAway(Exception):
    """The bells could not be rung; nothing is lost, upkeep rings again."""


class QueueOrder:
    """Keeps the order of ``QUEUES``; kombu's own ``priority`` takes the queues from a set, so in any order.

    While ``is_full`` says so only upkeep is looked for: what a worker takes and cannot begin, no other can.
    """

    is_full: Callable[[], bool] = staticmethod(lambda: False)
    """Of the process: kombu makes this class itself, by a name that Celery can tell to whoever asks for settings."""

    def __init__(self, queues: Sequence[str] = ()) -> None:
        self._queues = list(queues)

    def update(self, queues: Collection[str]) -> None:
        """Take the queues that this worker listens to."""
        self._queues = sorted(queues, key=lambda queue: QUEUES.index(queue) if queue in QUEUES else len(QUEUES))

    def consume(self, n: int) -> list[str]:
        """Return the first *n* queues to look into."""
        queues = [queue for queue in self._queues if queue == UPKEEP_QUEUE] if self.is_full() else self._queues
        return queues[:n]

    def rotate(self, last_used: str) -> None:
        """Stay: the queue just served keeps its rank."""


class PromptConnection(Connection):
    """Looks every second whether the broker is back; kombu waits up to 30 s, and Celery has no setting for it."""

    def ensure_connection(self, *args: Any, **kwargs: Any) -> Self:
        """Connect, however often that takes."""
        every_second = {"interval_start": 1, "interval_step": 0, "interval_max": 1}
        return super().ensure_connection(*args, **{**every_second, **kwargs})


class PromptAMQP(AMQP):
    """What Celery makes its connections with: those of workers, of beat and of whoever rings."""

    Connection = PromptConnection


def celery_app(settings: Settings, name: str = "dispatch", *, include: Collection[str] = ()) -> Celery:
    """Make the app that workers, beat, Flower and whoever rings share; *include* names the modules with its tasks."""
    app = Celery(name, broker=settings.broker_url, include=list(include), amqp=PromptAMQP, set_as_current=False)
    app.conf.update(
        task_queues=[Queue(queue, Exchange(queue), routing_key=queue) for queue in QUEUES],
        task_default_queue=BULK_QUEUE,
        task_create_missing_queues=False,
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_send_sent_event=False,
        worker_send_task_events=True,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        timezone="Asia/Kolkata",
    )
    if settings.broker_url.startswith("redis"):
        app.conf.update(worker_disable_prefetch=True, broker_transport_options=_REDIS_OPTIONS)

    def configure_logs(**_: Any) -> None:
        logs.configure(json=settings.logs.as_json, level=settings.logs.level)

    # Connected, it also keeps Celery from setting up logging of its own.
    signals.setup_logging.connect(configure_logs, weak=False, dispatch_uid="times_dispatch.broker.app")
    return app


_REDIS_OPTIONS = {
    "queue_order_strategy": "times_dispatch.broker.app:QueueOrder",
    "priority_steps": [0],
    "max_retries": 0,  # of making a connection, inside kombu and out of sight: whoever rings decides
    "socket_timeout": 10,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 15,
}


def campaign_row(campaign: CampaignId) -> str:
    """Return the task id of the campaign's row in Flower; the rows of its batches link to it."""
    return str(uuid.uuid5(_CAMPAIGN_ROWS, campaign))


def wake_workers(app: Celery, rings: Sequence[BatchReady]) -> None:
    """Tell the workers that these batches have work; raise BrokerAway if that fails after a short retry.

    A bell may ring twice: it finds the lease taken and goes home.
    """
    if not rings:
        return
    for attempt in range(_RING_ATTEMPTS):
        if attempt:
            time.sleep(_RING_PAUSE_S * attempt)
        try:
            _publish(app, rings)
        except _FAILURES as error:
            reason = error
        else:
            return
    raise BrokerAway("the broker cannot be reached; upkeep rings again") from reason


def _publish(app: Celery, rings: Sequence[BatchReady]) -> None:
    # One round trip for all of them; the method is newer than kombu's type stubs.
    with app.producer_pool.acquire(block=True, timeout=5) as producer, producer.batch():  # type: ignore[attr-defined]
        for bell in rings:
            row = campaign_row(bell.ref.campaign)
            app.send_task(
                BATCH_TASK,
                args=[bell.ref.sender, bell.ref.campaign, bell.ref.number],
                argsrepr=_label(bell),
                kwargsrepr="",
                queue=URGENT_QUEUE if bell.urgent else BULK_QUEUE,
                root_id=row,
                parent_id=row,
                producer=producer,
                retry=False,
            )


def _label(bell: BatchReady) -> str:
    """Write what stands in Flower's column of arguments: ``diwali-sale 17/200 TIMESM``."""
    return f"{bell.name} {bell.ref.number + 1}/{bell.batches} {bell.ref.sender}"
