"""With a separate broker, Redis or RabbitMQ, that loses and doubles wake-ups, every message is sent once."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest
from celery import Celery
from kombu import pools

from tests.kit.command_line import campaign_file, compare, show, submit, watch
from tests.kit.rabbitmq import RabbitServer, rabbitmq
from times_dispatch.broker.app import BROKER_ERRORS, BrokerUnavailable, celery_app, wake_workers
from times_dispatch.broker.queues import BULK_QUEUE, UPKEEP_QUEUE, URGENT_QUEUE
from times_dispatch.demo import recipients
from times_dispatch.demo.processes import run
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.demo.stack import SETTINGS, Stack
from times_dispatch.ledger.model import BatchRef, CampaignId, SenderId
from times_dispatch.ledger.ready_batches import BatchReady
from times_dispatch.ledger.states import SENT, CampaignState
from times_dispatch.settings.model import Settings

pytestmark = [pytest.mark.processes, pytest.mark.slow]  # lost wake-ups are sent again when their leases end

ROWS = 4_000
BATCHES = 4
SHORT_LEASES = SETTINGS.read_text("utf-8").replace("lease_s = 15", "lease_s = 4")
SANDBOX = {"latency_max_ms": 20, "reports": {"delay_min_ms": 50, "delay_max_ms": 500}}
Broker = RabbitServer | EmbeddedServer


@contextmanager
def _deployment(broker: Broker) -> Iterator[tuple[Stack, Celery]]:
    """Run a stack whose broker is separate from its ledger."""
    with ExitStack() as opened:
        opened.enter_context(broker)
        stack = Stack(
            workers=2,
            settings=SHORT_LEASES,
            sandbox=SANDBOX,
            flower=True,
            environment={"DISPATCH_BROKER_URL": broker.url},
        )
        opened.enter_context(stack)
        app = celery_app(Settings(redis_url=stack.redis.url, broker_url=broker.url))
        opened.callback(pools.reset)
        opened.callback(app.close)
        yield stack, app


def _redis() -> Broker:
    return EmbeddedServer()


@pytest.mark.parametrize("make", [rabbitmq, _redis], ids=["RabbitMQ", "Redis"])
def test_wake_ups_that_the_broker_loses_or_doubles_change_nothing(make: Callable[[], Broker]) -> None:
    with _deployment(make()) as (stack, app):
        campaign = _submit(stack, "broker")
        stop = threading.Event()
        meddler = threading.Thread(target=_lose_and_double, args=(app, campaign, stop))
        meddler.start()
        try:
            _wait_for_sent(stack, campaign, ROWS // 2)
        finally:
            stop.set()
            meddler.join(30)
        watch(stack, campaign, timeout_s=90)
        _every_row_was_accepted_once(stack, campaign)


@pytest.mark.parametrize("make", [rabbitmq, _redis], ids=["RabbitMQ", "Redis"])
def test_a_broker_that_is_killed_is_named_by_the_commands_and_nothing_is_lost_or_sent_twice(
    make: Callable[[], Broker],
) -> None:
    with _deployment(broker := make()) as (stack, _):
        first = _submit(stack, "before")
        _wait_for_sent(stack, first, ROWS // 8)
        broker.kill()

        rows = stack.folder / "during.csv"
        recipients.write(rows, 500, seed=5, wrong=False)
        command = ["dispatch", "submit", str(campaign_file(stack, "during")), "--recipients", str(rows), "--yes"]
        done = run([*command, "--json"], stack.environment)
        assert done.returncode == 0, done.stderr
        assert "the broker cannot be reached; upkeep wakes the workers later" in json.loads(done.stdout)["warnings"]
        second = CampaignId(json.loads(done.stdout)["campaign"])
        began = time.monotonic()
        status = run(["dispatch", "status"], stack.environment)
        assert time.monotonic() - began < 60
        assert status.returncode == 2
        assert "the broker is unavailable: workers get no work" in status.stdout
        for asked in (["dispatch", "list"], ["dispatch", "show", second], ["dispatch", "pause", second]):
            assert run(asked, stack.environment).returncode == 0, asked
        assert run(["dispatch", "resume", second], stack.environment).returncode == 0

        broker.start()
        for campaign in (first, second):
            watch(stack, campaign, timeout_s=90)
            _every_row_was_accepted_once(stack, campaign)
        stack.check()


def _submit(stack: Stack, name: str) -> CampaignId:
    rows = stack.folder / f"{name}.csv"
    recipients.write(rows, ROWS, seed=len(name), wrong=False)
    return submit(stack, campaign_file(stack, name), rows)


def _wait_for_sent(stack: Stack, campaign: CampaignId, messages: int) -> None:
    until = time.monotonic() + 90
    while ROWS - show(stack, campaign)["states"]["pending"] < messages:
        assert time.monotonic() < until, f"fewer than {messages} messages were sent in time"
        time.sleep(0.2)


def _lose_and_double(app: Celery, campaign: CampaignId, stop: threading.Event) -> None:
    """Send every wake-up of the campaign twice and empty the queues, in turn, until the test ends."""
    batches = [
        BatchReady(BatchRef(SenderId("TIMESM"), campaign, number), name="broker", batches=BATCHES, urgent=False)
        for number in range(BATCHES)
    ]
    while not stop.wait(0.7):
        with suppress(BrokerUnavailable):
            asyncio.run(wake_workers(app, [*batches, *batches]))
        if stop.wait(0.7):
            return
        with suppress(*BROKER_ERRORS), app.connection_for_write() as connection, connection.channel() as channel:
            for queue in (BULK_QUEUE, URGENT_QUEUE, UPKEEP_QUEUE):
                channel.queue_purge(queue)  # type: ignore[attr-defined]  # not in the stubs


def _every_row_was_accepted_once(stack: Stack, campaign: CampaignId) -> None:
    view, comparison = compare(stack, campaign)
    assert view.state is CampaignState.FINISHED
    assert view.counters_add_up
    assert (comparison.examples, comparison.accepted_twice, comparison.undecided) == ([], 0, 0)
    assert sum(view.counts[state] for state in SENT) == view.total
