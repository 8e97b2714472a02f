"""A real stack sends each alert at its beginning and at its end, and repeats an alert only by the rule."""

import re
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from redis import Redis as SyncRedis

from tests.kit.alert_story import OVER, WITHIN_S, Story
from tests.kit.command_line import watch
from tests.kit.webhook import Webhook, running_webhook
from times_dispatch.demo.stack import SETTINGS, Stack
from times_dispatch.ledger.monitoring.alerts import AlertKind

pytestmark = [pytest.mark.processes, pytest.mark.slow]  # an alert ends half a minute after its condition

_ALERTS = """
[alerts]
name = "shop"
repeat = "0s"
worker_away_after = "1s"
provider_away_after = "1s"
reports_behind_after = "1s"
in_doubt_above = 3

[alerts.targets.ops]

[alerts.targets.again]
kinds = ["complaints"]
repeat = "5s"
"""
_SANDBOX = {"latency_max_ms": 5, "reports": {"delay_min_ms": 10, "delay_max_ms": 100, "failed": 0.0}}


@pytest.fixture
def ops() -> Iterator[Webhook]:
    with running_webhook() as webhook:
        yield webhook


@pytest.fixture
def again() -> Iterator[Webhook]:
    with running_webhook() as webhook:
        yield webhook


@pytest.fixture
def stack(ops: Webhook, again: Webhook) -> Iterator[Stack]:
    environment = {"DISPATCH_ALERTS_OPS_URL": ops.url(), "DISPATCH_ALERTS_AGAIN_URL": again.url()}
    settings = SETTINGS.read_text("utf-8") + _ALERTS
    with Stack(workers=1, metrics=True, settings=settings, sandbox=_SANDBOX, environment=environment) as stack:
        yield stack


def test_each_kind_of_alert_is_told_once_and_its_end_too(stack: Stack, ops: Webhook, again: Webhook) -> None:
    story = Story(stack, ops)

    ended = story.campaign("plain", 20)
    watch(stack, ended, timeout_s=WITHIN_S)
    story.wait_for(AlertKind.FINISHED, words="plain")

    budgeted = story.campaign("budgeted", 40, extra="max_parts = 10\n")
    story.wait_for(AlertKind.BRAKED, words=f"campaign {budgeted} (budgeted) of sender TIMESM is braked")
    story.wait_for(AlertKind.BUDGET, words="% of its budget of 10 parts")
    story.dispatch("cancel", budgeted, "--yes")

    today = datetime.now(ZoneInfo("Asia/Kolkata")).date().isoformat()
    for number in range(4):
        story.dispatch("complaints", "add", "TIMESM", f"UCC-{number}", "--on", today)
    story.wait_for(AlertKind.COMPLAINTS, words="complaints")
    story.until(lambda: len(again.texts) >= 3, "repetitions by the rule of the target")

    with SyncRedis.from_url(stack.redis.url) as redis:
        used = int(redis.info("memory")["used_memory"])
        redis.config_set("maxmemory", int(used * 1.12))
        story.wait_for(AlertKind.MEMORY, words="of its memory")
        redis.config_set("maxmemory", 0)

    story.faults(http_500=0.5)
    doubtful = story.campaign("doubtful", 40)
    watch(stack, doubtful, timeout_s=WITHIN_S)
    story.wait_for(AlertKind.IN_DOUBT, words="in doubt")
    story.faults(http_500=0.0)

    waiting = story.campaign("waiting", 400, extra="rate_per_s = 2\n")
    stack.processes["sandbox"].kill()
    story.wait_for(AlertKind.PROVIDER_AWAY, words="sender TIMESM backs off from provider timesmobile")
    stack.processes["sandbox"].start()

    stack.processes["reconciler-1"].kill()
    stack.processes["worker-1"].kill()
    story.wait_for(AlertKind.NO_WORKER, words="worker")
    story.wait_for(AlertKind.REPORTS_BEHIND, words="reconciler")
    stack.processes["reconciler-1"].start()
    stack.processes["worker-1"].start()
    story.dispatch("complaints", "remove", "TIMESM", "UCC-0")

    kinds = (AlertKind.PROVIDER_AWAY, AlertKind.NO_WORKER, AlertKind.REPORTS_BEHIND, AlertKind.COMPLAINTS)
    for kind in (AlertKind.BRAKED, AlertKind.BUDGET, AlertKind.MEMORY, *kinds):
        story.wait_for_end(kind)
    repeated = len(again.texts)
    story.dispatch("cancel", waiting, "--yes")

    lines = [line for text in ops.texts for line in text.splitlines()]
    for words in ("is braked", "of its budget", "of its memory", "backs off from provider"):
        begun = [line for line in lines if words in line and OVER not in line]
        assert len(begun) == 1, (words, lines)
        assert any(words in line and OVER in line for line in lines), (words, lines)
    assert not [line for line in lines if re.search(r"\d{10}", line)]  # no phone number

    stack.redis.kill()
    story.wait_for(AlertKind.REDIS_AWAY, words="Redis")
    stack.redis.start()
    story.wait_for_end(AlertKind.REDIS_AWAY)
    assert len(again.texts) <= repeated + 1  # after its end an alert is not repeated
