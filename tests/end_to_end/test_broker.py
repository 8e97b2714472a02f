"""With a separate broker, Redis or RabbitMQ, that loses and doubles wake-ups, every message is sent once."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest
from celery import Celery
from kombu import pools

from tests.kit.command_line import campaign_file, compare, submit, watch
from tests.kit.rabbitmq import RabbitServer, rabbitmq
from tests.kit.waiting import wait_until
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
DISTURBANCES = 6
"""How often wake-ups are doubled and lost. The number is fixed, and nothing is lost by the clock: workers on a busy
machine would not take a wake-up before the queues are emptied again."""
_WITHIN_S = 300.0
"""A limit for the case that nothing is sent at all; a test waits for messages, and not for this time."""
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
        for disturbance in range(DISTURBANCES):
            _wait_for_sent(stack, disturbance * ROWS // 2 // DISTURBANCES)
            _double(app, campaign)
            _wait_for_sent(stack, (disturbance + 1) * ROWS // 2 // DISTURBANCES)
            _lose(app)
        watch(stack, campaign, timeout_s=_WITHIN_S)
        _every_row_was_accepted_once(stack, campaign)


@pytest.mark.parametrize("make", [rabbitmq, _redis], ids=["RabbitMQ", "Redis"])
def test_a_broker_that_is_killed_is_named_by_the_commands_and_nothing_is_lost_or_sent_twice(
    make: Callable[[], Broker],
) -> None:
    with _deployment(broker := make()) as (stack, _):
        first = _submit(stack, "before")
        _wait_for_sent(stack, ROWS // 8)
        asked_at = time.monotonic()
        assert run(["dispatch", "status"], stack.environment).returncode == 0
        usual_s = time.monotonic() - asked_at
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
        assert time.monotonic() - began < 2 * usual_s + 60
        assert status.returncode == 2
        assert "the broker is unavailable: workers get no work" in status.stdout
        for asked in (["dispatch", "list"], ["dispatch", "show", second], ["dispatch", "pause", second]):
            assert run(asked, stack.environment).returncode == 0, asked
        assert run(["dispatch", "resume", second], stack.environment).returncode == 0

        broker.start()
        for campaign in (first, second):
            watch(stack, campaign, timeout_s=_WITHIN_S)
            _every_row_was_accepted_once(stack, campaign)
        stack.check()


def _submit(stack: Stack, name: str) -> CampaignId:
    rows = stack.folder / f"{name}.csv"
    recipients.write(rows, ROWS, seed=len(name), wrong=False)
    return submit(stack, campaign_file(stack, name), rows)


def _wait_for_sent(stack: Stack, messages: int) -> None:
    """Wait until the provider has accepted some messages. No command is started for this, which would take CPU time."""
    wait_until(lambda: stack.books()["all"]["accepted"] >= messages, f"{messages} sent messages", within_s=_WITHIN_S)


def _double(app: Celery, campaign: CampaignId) -> None:
    """Send every wake-up of the campaign twice."""
    batches = [
        BatchReady(BatchRef(SenderId("TIMESM"), campaign, number), name="broker", batches=BATCHES, urgent=False)
        for number in range(BATCHES)
    ]
    with suppress(BrokerUnavailable):
        asyncio.run(wake_workers(app, [*batches, *batches]))


def _lose(app: Celery) -> None:
    with suppress(*BROKER_ERRORS), app.connection_for_write() as connection, connection.channel() as channel:
        for queue in (BULK_QUEUE, URGENT_QUEUE, UPKEEP_QUEUE):
            channel.queue_purge(queue)  # type: ignore[attr-defined]  # not in the stubs


def _every_row_was_accepted_once(stack: Stack, campaign: CampaignId) -> None:
    view, comparison = compare(stack, campaign)
    assert view.state is CampaignState.FINISHED
    assert view.counters_add_up
    assert (comparison.examples, comparison.accepted_twice, comparison.undecided) == ([], 0, 0)
    assert sum(view.counts[state] for state in SENT) == view.total
