"""Alerts of a real stack: each is told when it begins and when it is over, and only as often as the rule says."""

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import httpx
import pytest
from redis import Redis as SyncRedis

from tests.kit.command_line import campaign_file, submit, watch
from tests.kit.webhook import Webhook, running_webhook
from times_dispatch.demo import recipients
from times_dispatch.demo.processes import run
from times_dispatch.demo.stack import SETTINGS, Stack
from times_dispatch.ledger.alerts import AlertKind
from times_dispatch.ledger.model import CampaignId

pytestmark = [pytest.mark.processes, pytest.mark.slow]  # an alert is over half a minute after its condition

_WITHIN_S = 300.0
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
OVER = "over after "


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


class Story:
    """What happens to a stack, and what its target was told of it."""

    def __init__(self, stack: Stack, webhook: Webhook) -> None:
        self.stack, self._webhook = stack, webhook
        self._rows = 0

    def campaign(self, name: str, messages: int, *, extra: str = "") -> CampaignId:
        """Submit a campaign to numbers that no other campaign has."""
        self._rows += 1
        rows = self.stack.folder / f"{name}.csv"
        recipients.write(rows, messages, seed=100 + self._rows, wrong=False)
        return submit(self.stack, campaign_file(self.stack, name, extra=extra), rows)

    def dispatch(self, *words: str) -> str:
        """Run a command, which must succeed."""
        done = run(["dispatch", *words], self.stack.environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def faults(self, **faults: object) -> None:
        """Let the provider misbehave."""
        url = f"{self.stack.sandbox_url}/sandbox/faults"
        httpx.post(url, json=faults, trust_env=False, timeout=60).raise_for_status()

    def open_kinds(self) -> list[str]:
        """Return the kind of each open alert."""
        return [each["kind"] for each in json.loads(self.dispatch("alerts", "list", "--json"))["open"]]

    def wait_for(self, kind: AlertKind, *, words: str) -> None:
        """Wait until people were told something with these words."""
        self.until(lambda: any(words in text for text in self._webhook.texts), f"{kind}: {words}")

    def wait_for_end(self, kind: AlertKind) -> None:
        """Wait until no alert of a kind is open."""
        self.until(lambda: kind not in self.open_kinds(), f"the end of {kind}")

    def until(self, reached: Callable[[], bool], what: str) -> None:
        """Wait until something is so."""
        until = time.monotonic() + _WITHIN_S
        while not reached():
            assert time.monotonic() < until, f"waited too long for {what}; told: {self._webhook.texts}"
            time.sleep(0.5)


def test_each_kind_of_alert_is_told_once_and_its_end_too(stack: Stack, ops: Webhook, again: Webhook) -> None:
    story = Story(stack, ops)

    ended = story.campaign("plain", 20)
    watch(stack, ended, timeout_s=_WITHIN_S)
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
    watch(stack, doubtful, timeout_s=_WITHIN_S)
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
    assert len(again.texts) <= repeated + 1  # after the end nothing is repeated
