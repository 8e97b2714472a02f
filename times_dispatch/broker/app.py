"""Celery as this project uses it: its messages wake workers, and never own any work (docs/concepts.md)."""

import asyncio
import random
import ssl
import uuid
from collections.abc import Callable, Collection, Sequence
from itertools import count
from typing import Any, Final, NamedTuple, Self
from urllib.parse import unquote, urlsplit

from amqp.exceptions import AMQPError
from celery import Celery, signals
from celery.app.amqp import AMQP
from kombu import Connection, Exchange, Queue
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from times_dispatch.broker.queues import BULK_QUEUE, QUEUES, UPKEEP_QUEUE, URGENT_QUEUE
from times_dispatch.broker.redis_transports import TRANSPORTS
from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.ready_batches import BatchReady
from times_dispatch.ledger.sentinel.url import is_sentinel
from times_dispatch.ledger.sentinel.url import parse as parse_sentinel_url
from times_dispatch.retry import Backoff, retry
from times_dispatch.settings import logs
from times_dispatch.settings.model import Settings
from times_dispatch.tls_options import certificate_problem, files_of, without_options

BATCH_TASK = "batch"
CAMPAIGN_TASK = "campaign"
UPKEEP_TASK = "upkeep"

BROKER_ERRORS = (KombuError, OSError, RedisError, AMQPError)
"""The errors of a call to the broker: kombu wraps some errors of its libraries, but not all."""

BROKER_AWAY: Final = "the broker cannot be reached; upkeep wakes the workers later"
"""The warning of a command that finds the broker unavailable."""
_MAX_WAKE_ATTEMPTS = 3
_AMQP_HEARTBEAT_S = 10
"""A worker notices within two heartbeats that RabbitMQ is unreachable; Celery's default interval is two minutes."""
_CAMPAIGN_ROWS = uuid.UUID("6f1f0f6e-3f0e-5b7a-9a54-6a3b0a1c7d11")


class BrokerUnavailable(Exception):
    """Workers could not be woken; no work is lost, because upkeep wakes them again."""


class QueueOrder:
    """Reads queues in the order of ``QUEUES``, which kombu's own ``priority`` loses.

    While the process has no capacity for the batches of a queue, the process does not read this queue. If a full worker
    took a wake-up, a worker with free capacity would not get the wake-up. The upkeep queue is always read.
    """

    is_full: Callable[[str], bool] = staticmethod(lambda _: False)
    """Return whether the process is full for the batches of a queue. This is an attribute of the class, because kombu
    makes the objects: kombu finds the class by its name in the settings.
    """

    def __init__(self, queues: Sequence[str] = ()) -> None:
        self._queues = list(queues)

    def update(self, queues: Collection[str]) -> None:
        """Set the queues that this worker reads."""
        self._queues = sorted(queues, key=lambda queue: QUEUES.index(queue) if queue in QUEUES else len(QUEUES))

    def consume(self, n: int) -> list[str]:
        """Return the first *n* queues to read from."""
        return [queue for queue in self._queues if queue == UPKEEP_QUEUE or not self.is_full(queue)][:n]

    def rotate(self, last_used: str) -> None:
        """Keep the order of the queues: kombu would move the queue that was read last to the end."""


class EverySecondConnection(Connection):
    """Tries to connect every second while the broker is unavailable, and drops entries that are no messages.

    kombu waits up to 30 s, and Celery has no setting for this wait.
    """

    def ensure_connection(self, *args: Any, **kwargs: Any) -> Self:
        """Connect; wait a second after each failure."""
        every_second = {"interval_start": 1, "interval_step": 0, "interval_max": 1}
        return super().ensure_connection(*args, **{**every_second, **kwargs})

    def get_transport_cls(self) -> Any:
        """Return the transport, which drops entries that are no messages."""
        transport = super().get_transport_cls()
        return TRANSPORTS.get(transport, transport)


class EverySecondAMQP(AMQP):
    """Makes the connections of Celery in workers, in beat and in processes that wake workers."""

    Connection = EverySecondConnection


def celery_app(settings: Settings, name: str = "dispatch", *, include: Collection[str] = ()) -> Celery:
    """Make the Celery app of a worker, of beat, of Flower, or of a process that wakes workers.

    Args:
        settings: the settings of the process; they have the address of the broker, and how logs are written.
        name: the name of the app, which Celery logs.
        include: modules that define tasks.
    """
    app = Celery(
        name,
        broker=_celery_url(settings.broker_url),
        include=list(include),
        amqp=EverySecondAMQP,
        set_as_current=False,
    )
    app.conf.update(
        task_queues=[Queue(queue, Exchange(queue), routing_key=queue) for queue in QUEUES],
        task_default_queue=BULK_QUEUE,
        task_create_missing_queues=False,
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_send_sent_event=False,
        worker_send_task_events=True,
        worker_consumer="times_dispatch.broker.skipping_consumer:SkippingConsumer",
        worker_prefetch_multiplier=1,
        # After a lost connection Celery would take fewer messages at once, and more again with each message that ends.
        # The threads of the pool would do this on the connection of the main thread: two threads read one socket, and
        # a worker with RabbitMQ took no message until the broker closed the connection, half a minute later.
        worker_enable_prefetch_count_reduction=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        timezone="Asia/Kolkata",
    )
    if tls := _tls(settings.broker_url):
        app.conf.broker_use_ssl = tls
    if settings.broker_url.startswith("amqp"):
        app.conf.update(broker_heartbeat=_AMQP_HEARTBEAT_S, broker_transport_options=_AMQP_OPTIONS)
    if settings.broker_url.startswith("redis"):
        app.conf.update(worker_disable_prefetch=True, broker_transport_options=_redis_options(settings.broker_url))

    def configure_logs(**_: Any) -> None:
        logs.configure(json=settings.logs.as_json, level=settings.logs.level)

    # Celery does not set up logging while a function is connected to this signal.
    signals.setup_logging.connect(configure_logs, weak=False, dispatch_uid="times_dispatch.broker.app")
    return app


def _tls(broker_url: str) -> dict[str, object]:
    """Return Celery's ``broker_use_ssl`` for a URL. Without it, Celery does not verify the certificate of rediss://."""
    files = files_of(broker_url)
    if broker_url.startswith("rediss"):
        return {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True, **files}
    if broker_url.startswith("amqps:"):
        # kombu replaces None by the name of the host, and py-amqp checks the name only if it is given.
        names = {name.removeprefix("ssl_"): path for name, path in files.items()}
        return {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": None, **names}
    return {}


_AMQP_OPTIONS = {"max_retries": 0}  # as below
_REDIS_OPTIONS = {
    "queue_order_strategy": "times_dispatch.broker.app:QueueOrder",
    "priority_steps": [0],
    "max_retries": 0,  # kombu would repeat the call without a log line; `wake_workers` repeats the call instead
    "socket_timeout": 10,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 15,
}


def _celery_url(broker_url: str) -> str:
    """Return the URL for Celery, without the options, because Celery takes the options as separate settings."""
    if is_sentinel(broker_url):
        return parse_sentinel_url(broker_url).of_broker
    return without_options(broker_url)


def _redis_options(broker_url: str) -> dict[str, object]:
    if not is_sentinel(broker_url):
        return _REDIS_OPTIONS
    url = parse_sentinel_url(broker_url)
    of_sentinels: dict[str, object] = {"socket_timeout": 1, "socket_connect_timeout": 1}
    if url.scheme == "rediss":
        of_sentinels |= {"ssl": True, "ssl_cert_reqs": "required", "ssl_check_hostname": True, **files_of(broker_url)}
    if url.sentinels_want_login:
        login = urlsplit(url.of_server)
        of_sentinels |= {"username": unquote(login.username or "") or None, "password": unquote(login.password or "")}
    return {**_REDIS_OPTIONS, "master_name": url.master, "sentinel_kwargs": of_sentinels}


def campaign_row(campaign: CampaignId) -> str:
    """Return the task id of the campaign's row in Flower; the rows of the batches link to this row."""
    return str(uuid.uuid5(_CAMPAIGN_ROWS, campaign))


async def wake_workers(
    app: Celery, batches: Sequence[BatchReady], *, clock: Clock = SYSTEM_CLOCK, rng: random.Random | None = None
) -> None:
    """Send a wake-up for each batch; raise ``BrokerUnavailable`` after three failures.

    A batch may get two wake-ups: the second worker finds the lease of the batch taken.
    """
    if not batches:
        return
    failures = count(1)

    def give_up_at_last(error: Exception) -> None:
        if next(failures) >= _MAX_WAKE_ATTEMPTS:
            problem = certificate_problem(error)
            text = f"the broker {problem}; upkeep wakes the workers later" if problem else BROKER_AWAY
            raise BrokerUnavailable(text) from error

    await retry(
        lambda: asyncio.to_thread(_publish, app, batches),
        on=BROKER_ERRORS,
        backoff=Backoff(first_s=0.2, max_s=0.4, rng=rng),
        before_wait=give_up_at_last,
        clock=clock,
    )


class WaitingWakeups(NamedTuple):
    """The number of wake-ups that wait in the broker, for each queue of batches."""

    urgent: int = 0
    bulk: int = 0


async def waiting_wakeups(app: Celery) -> WaitingWakeups:
    """Return the number of wake-ups that no worker has taken from the queues; raise one of ``BROKER_ERRORS``."""
    return await asyncio.to_thread(_waiting_wakeups, app)


def _waiting_wakeups(app: Celery) -> WaitingWakeups:
    with app.connection_for_read() as connection:
        connection.ensure_connection(max_retries=0)
        return WaitingWakeups(urgent=_length(connection, URGENT_QUEUE), bulk=_length(connection, BULK_QUEUE))


def _length(connection: Connection, queue: str) -> int:
    try:
        with connection.channel() as channel:
            declared = channel.queue_declare(queue, passive=True)  # type: ignore[attr-defined]  # not in the stubs
            return int(declared.message_count)
    except connection.channel_errors:  # Redis does not know an empty queue
        return 0


def _publish(app: Celery, batches: Sequence[BatchReady]) -> None:
    # One round trip sends all wake-ups; the method is newer than kombu's type stubs.
    with app.producer_pool.acquire(block=True, timeout=5) as producer, producer.batch():  # type: ignore[attr-defined]
        for batch in batches:
            row = campaign_row(batch.ref.campaign)
            app.send_task(
                BATCH_TASK,
                args=[batch.ref.sender, batch.ref.campaign, batch.ref.number],
                argsrepr=_label(batch),
                kwargsrepr="",
                queue=URGENT_QUEUE if batch.urgent else BULK_QUEUE,
                root_id=row,
                parent_id=row,
                producer=producer,
                retry=False,
            )


def _label(batch: BatchReady) -> str:
    """Return the text that Flower shows as the arguments of a batch, such as ``diwali-sale 17/200 TIMESM``."""
    return f"{batch.name} {batch.ref.number + 1}/{batch.batches} {batch.ref.sender}"
