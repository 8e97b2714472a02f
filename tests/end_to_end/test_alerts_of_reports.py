"""Real processes send alerts about low delivered shares and waiting copies of reports, at their beginnings and ends."""

import asyncio
from collections.abc import Iterator
from datetime import datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from tests.kit.alert_story import WITHIN_S, Story
from tests.kit.command_line import watch
from tests.kit.history import count_days_before
from tests.kit.webhook import Webhook, running_webhook
from times_dispatch.demo.processes import run
from times_dispatch.demo.stack import SETTINGS, Stack
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.monitoring.alerts import AlertKind

pytestmark = [pytest.mark.processes, pytest.mark.slow]  # counts are read once a minute

_INDIA = ZoneInfo("Asia/Kolkata")
_TAKES_MIN = 8
_ALERTS = """
[alerts]
repeat = "0s"
forwarding_behind_after = "5s"

[alerts.targets.ops]
kinds = ["delivered_share", "forwarding_behind"]
"""
_SANDBOX = {"latency_max_ms": 5, "reports": {"delay_min_ms": 10, "delay_max_ms": 100, "failed": 0.5}}


@pytest.fixture
def ops() -> Iterator[Webhook]:
    with running_webhook() as webhook:
        yield webhook


@pytest.fixture
def other_system() -> Iterator[Webhook]:
    with running_webhook() as webhook:
        webhook.status = 503
        yield webhook


@pytest.fixture
def stack(ops: Webhook, other_system: Webhook) -> Iterator[Stack]:
    environment = {
        "DISPATCH_ALERTS_OPS_URL": ops.url(),
        "DISPATCH_CALLBACKS_FORWARD_URL": other_system.url().replace("json://", "http://"),
    }
    settings = SETTINGS.read_text("utf-8") + _ALERTS
    with Stack(workers=1, metrics=True, settings=settings, sandbox=_SANDBOX, environment=environment) as stack:
        yield stack


def _reported(stack: Stack, campaign: CampaignId) -> None:
    watch(stack, campaign, timeout_s=WITHIN_S)
    run(["dispatch", "watch", campaign, "--until", "reports", "--timeout", str(int(WITHIN_S))], stack.environment)


def test_copies_that_wait_and_a_low_share_of_deliveries_are_told_once_and_their_ends_too(
    stack: Stack, ops: Webhook, other_system: Webhook
) -> None:
    now = datetime.now(_INDIA)
    if (now.hour, now.minute) >= (23, 60 - _TAKES_MIN):
        pytest.skip("the day in India ends during this test, and with it the messages of today")
    story = Story(stack, ops)
    asyncio.run(_write_history(stack, now))
    stack.processes["alerts"].stop()  # the process reads the usual share once in six hours
    stack.processes["alerts"].start()

    _reported(stack, story.campaign("half-delivered", 400))
    low, behind = "are delivered; usual are 100%", "copies of reports wait to be forwarded"
    story.wait_for(AlertKind.FORWARDING_BEHIND, words=behind)
    story.wait_for(AlertKind.DELIVERED_SHARE, words=low)
    [line] = story.lines(low, over=False)
    assert "sender TIMESM through provider timesmobile" in line
    assert other_system.posted == []

    other_system.status = 200
    _all_reports_say_delivered(stack)
    _reported(stack, story.campaign("delivered", 3_000))
    story.wait_for_end(AlertKind.FORWARDING_BEHIND)
    story.wait_for_end(AlertKind.DELIVERED_SHARE)
    for words in (low, behind):
        story.until(lambda words=words: bool(story.lines(words, over=True)), f"the end of: {words}")  # type: ignore[misc]
        assert len(story.lines(words, over=False)) == len(story.lines(words, over=True)) == 1
    assert len(_copies(other_system)) == 3_400
    stack.check()


async def _write_history(stack: Stack, now: datetime) -> None:
    async with connect(stack.redis.url) as redis:
        await count_days_before(redis, now.date(), sender=SenderId("TIMESM"), provider="timesmobile")


def _all_reports_say_delivered(stack: Stack) -> None:
    config = stack.folder / "sandbox.toml"
    text = config.read_text("utf-8")
    assert "failed = 0.5" in text
    config.write_text(text.replace("failed = 0.5", "failed = 0.0"), "utf-8")
    stack.processes["sandbox"].stop()
    stack.processes["sandbox"].start()


def _copies(other_system: Webhook) -> set[str]:
    """Return the ids of the messages whose copies were accepted, without doubles: some reports are posted twice."""
    posts = cast("list[list[dict[str, Any]]]", other_system.posted)  # a post of copies is an array, unlike an alert
    return {row["meta"] for post in posts for group in post for row in group["data"]}
