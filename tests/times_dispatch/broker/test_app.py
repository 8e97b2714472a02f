import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery
from kombu import Connection, pools
from kombu.exceptions import OperationalError
from kombu.utils.json import dumps
from redis import Redis

from times_dispatch.broker.app import (
    BrokerUnavailable,
    QueueOrder,
    WaitingWakeups,
    campaign_row,
    celery_app,
    waiting_wakeups,
    wake_workers,
)
from times_dispatch.broker.queues import QUEUES
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.ledger.model import BatchRef, CampaignId, SenderId
from times_dispatch.ledger.ready_batches import BatchReady
from times_dispatch.settings.model import Settings


def _batches(count: int, *, urgent: bool = False) -> list[BatchReady]:
    refs = [BatchRef(SenderId("TIMESM"), CampaignId("k3f09a1b"), number) for number in range(count)]
    return [BatchReady(ref=ref, batches=200, name="diwali-sale", urgent=urgent) for ref in refs]


@pytest.fixture
def app_at() -> Iterator[Callable[[str], Celery]]:
    apps: list[Celery] = []

    def make(url: str) -> Celery:
        apps.append(celery_app(Settings(redis_url=url, broker_url=url)))
        return apps[-1]

    yield make
    pools.reset()
    for app in apps:
        app.close()


def _messages(app: Celery, count: int) -> list[Any]:
    """Take messages from all queues as a worker does."""
    taken: list[Any] = []

    def take(_body: object, message: Any) -> None:
        message.ack()
        taken.append(message)

    with app.connection_for_read() as connection:
        consumer = app.amqp.TaskConsumer(connection.default_channel, on_message=None, callbacks=[take])
        with consumer:
            while len(taken) < count:
                connection.drain_events(timeout=120)
    return taken


async def test_a_wake_up_carries_ids_and_is_labelled_for_flower(
    app_at: Callable[[str], Celery], redis_url: str
) -> None:
    app = app_at(redis_url)
    await wake_workers(app, _batches(17)[16:])
    (message,) = _messages(app, 1)
    assert message.headers["task"] == "batch"
    assert message.payload[0] == ["TIMESM", "k3f09a1b", 16]
    assert message.headers["argsrepr"] == "diwali-sale 17/200 TIMESM"
    assert message.headers["root_id"] == message.headers["parent_id"] == campaign_row(CampaignId("k3f09a1b"))


async def test_many_wake_ups_are_sent_in_one_go(app_at: Callable[[str], Celery], redis_url: str) -> None:
    app = app_at(redis_url)
    await wake_workers(app, _batches(1))
    with Redis.from_url(redis_url) as redis:
        before = redis.info("stats")["total_net_input_bytes"], redis.info("commandstats")["cmdstat_lpush"]["calls"]
        await wake_workers(app, _batches(500))
        assert redis.info("commandstats")["cmdstat_lpush"]["calls"] - before[1] == 500
        assert redis.llen("bulk") == 501
        assert redis.info("stats")["total_net_input_bytes"] - before[0] < 501 * 1_200


async def test_urgent_wake_ups_come_before_bulk_and_upkeep_before_all(
    app_at: Callable[[str], Celery], redis_url: str
) -> None:
    app = app_at(redis_url)
    await wake_workers(app, _batches(2))
    await wake_workers(app, _batches(2, urgent=True))
    app.send_task("upkeep", queue="upkeep")
    await wake_workers(app, _batches(1))
    queues = [message.delivery_info["routing_key"] for message in _messages(app, 6)]
    assert queues == ["upkeep", "urgent", "urgent", "bulk", "bulk", "bulk"]


def test_the_order_of_queues_does_not_depend_on_the_order_in_which_they_are_found() -> None:
    order = QueueOrder()
    order.update({"bulk", "urgent", "other", "upkeep"})
    assert order.consume(3) == list(QUEUES)
    order.rotate("upkeep")
    assert order.consume(4) == [*QUEUES, "other"]


def test_a_worker_that_could_begin_nothing_looks_only_for_upkeep(monkeypatch: pytest.MonkeyPatch) -> None:
    order = QueueOrder()
    order.update(set(QUEUES))
    monkeypatch.setattr(QueueOrder, "is_full", staticmethod(lambda _: True))
    assert order.consume(3) == ["upkeep"]
    monkeypatch.undo()
    assert order.consume(3) == list(QUEUES)


@pytest.mark.processes
def test_the_settings_of_a_workers_broker_can_be_sent_to_flower(app_at: Callable[[str], Celery]) -> None:
    with EmbeddedServer() as server, app_at(server.url).connection_for_read() as connection:
        assert "QueueOrder" in dumps(connection.info())


def test_a_worker_with_places_for_urgent_batches_alone_reads_no_bulk(monkeypatch: pytest.MonkeyPatch) -> None:
    order = QueueOrder()
    order.update(set(QUEUES))
    monkeypatch.setattr(QueueOrder, "is_full", staticmethod(lambda queue: queue == "bulk"))
    assert order.consume(3) == ["upkeep", "urgent"]


@pytest.mark.processes
async def test_wake_ups_that_wait_in_the_broker_are_counted(app_at: Callable[[str], Celery]) -> None:
    with EmbeddedServer() as server:
        app = app_at(server.url)
        assert await waiting_wakeups(app) == WaitingWakeups(urgent=0, bulk=0)
        await wake_workers(app, [*_batches(1, urgent=True), *_batches(2)])
        assert await waiting_wakeups(app) == WaitingWakeups(urgent=1, bulk=2)


async def test_no_batch_is_no_message_and_needs_no_broker(
    app_at: Callable[[str], Celery], unused_tcp_port: int
) -> None:
    await wake_workers(app_at(f"redis://127.0.0.1:{unused_tcp_port}/0"), [])


async def test_a_broker_that_is_away_is_reported_soon_and_without_its_password(
    app_at: Callable[[str], Celery], unused_tcp_port: int
) -> None:
    started = time.monotonic()
    with pytest.raises(BrokerUnavailable) as away:
        await wake_workers(app_at(f"redis://:swordfish@127.0.0.1:{unused_tcp_port}/0"), _batches(3))
    assert time.monotonic() - started < 60
    assert "swordfish" not in str(away.value)


@pytest.mark.processes
async def test_a_broker_that_refuses_the_password_is_away_too(app_at: Callable[[str], Celery]) -> None:
    with EmbeddedServer(password="mellon") as server, pytest.raises(BrokerUnavailable):
        await wake_workers(app_at(server.url.replace("mellon", "swordfish")), _batches(1))


@pytest.mark.processes
async def test_workers_can_be_woken_again_after_a_restart_of_the_broker(app_at: Callable[[str], Celery]) -> None:
    with EmbeddedServer() as server:
        app = app_at(server.url)
        await wake_workers(app, _batches(1))
        server.kill()
        for urgent in (False, True):  # a queue that is already declared, and a queue that is not
            with pytest.raises(BrokerUnavailable):
                await wake_workers(app, _batches(1, urgent=urgent))
        server.restart()
        await wake_workers(app, _batches(3))
        assert len(_messages(app, 3)) == 3


@pytest.mark.parametrize("end", ["connection_for_read", "connection_for_write"])  # workers read, beat writes
def test_a_broker_that_is_away_for_long_is_looked_for_every_second(
    app_at: Callable[[str], Celery], unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    slept: list[float] = []
    pauses: list[float] = []

    def note(_error: Exception, pause_s: float) -> None:
        pauses.append(pause_s)

    monkeypatch.setattr("kombu.utils.functional.sleep", slept.append)
    connection = getattr(app_at(f"redis://127.0.0.1:{unused_tcp_port}/0"), end)()
    with pytest.raises(OperationalError):
        connection.clone().ensure_connection(note, 50)  # with the arguments of Celery's own call
    assert pauses == [1] * 50
    assert sum(slept) == 50


def test_each_queue_has_an_exchange_of_its_own(app_at: Callable[[str], Celery], redis_url: str) -> None:
    queues = app_at(redis_url).amqp.queues
    assert {name: (queues[name].exchange.name, queues[name].routing_key) for name in queues} == {
        name: (name, name) for name in QUEUES
    }


def test_only_json_is_taken_from_the_broker(app_at: Callable[[str], Celery], redis_url: str) -> None:
    app = app_at(redis_url)
    assert app.conf.accept_content == ["json"]
    assert app.conf.result_backend is None


def test_another_broker_than_redis_gets_none_of_its_options() -> None:
    app = celery_app(Settings(redis_url="redis://127.0.0.1/0", broker_url="amqp://127.0.0.1//"))
    assert app.conf.broker_transport_options == {"max_retries": 0}
    assert not app.conf.worker_disable_prefetch
    assert app.conf.broker_heartbeat == 10
    assert Connection(app.conf.broker_url).transport_cls == "amqp"
