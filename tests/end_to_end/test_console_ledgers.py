"""Console, metrics and alerts work with a ledger on a cluster, behind Sentinel, and behind Sentinel over TLS."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.viewers import log_in
from tests.failover.stack import StackBehindSentinel
from tests.kit.command_line import campaign_file, show, submit, watch
from tests.kit.console import text_of_page
from tests.kit.sentinel import SentinelGroupBehindTls
from tests.kit.tls import Certificates
from tests.kit.waiting import wait_until
from tests.kit.webhook import Webhook, running_webhook
from times_dispatch.demo import recipients
from times_dispatch.demo.processes import run
from times_dispatch.demo.redis_cluster import EmbeddedCluster
from times_dispatch.demo.stack import SETTINGS, Stack
from times_dispatch.ledger.model import CampaignId

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("console-ledgers")]

MESSAGES = 300
_WITHIN_S = 300.0
_until = partial(wait_until, within_s=_WITHIN_S)
_SETTINGS = f'{SETTINGS.read_text("utf-8")}\n[alerts.targets.ops]\nkinds = ["finished", "braked"]\n'
_SANDBOX = {"latency_max_ms": 5, "reports": {"delay_min_ms": 10, "delay_max_ms": 200, "failed": 0.1}}
_PAGES = ("/", "/campaigns", "/campaigns?q=ledgers", "/campaigns/{id}", "/campaigns/{id}/messages", "/senders")
_MORE_PAGES = ("/senders/TIMESM", "/numbers", "/templates", "/system", "/system/trail", "/campaigns/{id}/resend")


class StackBehindTls(StackBehindSentinel):
    """All processes reach the sentinels, the primary and the broker over TLS."""

    def __init__(self, *, certificates: Certificates, **options: Any) -> None:
        super().__init__(**options)
        self._certificates = certificates
        self.tls: SentinelGroupBehindTls | None = None

    def redis_url(self, process: str) -> str:
        """Return the URL of the sentinels; with TLS, as soon as the servers of TLS run."""
        return self.tls.url if self.tls else super().redis_url(process)

    def start(self, **options: Any) -> None:
        """Start Redis, the sentinels and TLS in front of them, and then the processes."""
        self.redis.start()
        self.group.start()
        self.tls = SentinelGroupBehindTls(self.group, self._certificates)
        Stack.start(self, **options)

    def stop(self) -> None:
        """Stop the processes, then TLS, the sentinels and all servers."""
        try:
            super().stop()
        finally:
            if self.tls:
                self.tls.close()


@contextmanager
def _running(kind: str, folder: Path, webhook: Webhook) -> Iterator[Stack]:
    options: dict[str, Any] = {
        "workers": 1,
        "console": True,
        "metrics": True,
        "settings": _SETTINGS,
        "sandbox": _SANDBOX,
        "environment": {"DISPATCH_ALERTS_OPS_URL": webhook.url()},
    }
    with ExitStack() as opened:
        if kind == "cluster":
            cluster = opened.enter_context(EmbeddedCluster(replicas=0))
            stack = Stack(ledger_url=cluster.url, **options)
        elif kind == "sentinel":
            stack = StackBehindSentinel(**options)
        else:
            stack = StackBehindTls(certificates=Certificates(folder), **options)
        yield opened.enter_context(stack)


@pytest.mark.parametrize("kind", ["cluster", "sentinel", "sentinel over TLS"])
def test_pages_streams_metrics_and_alerts_show_a_campaign(kind: str, tmp_path: Path) -> None:
    with running_webhook() as webhook, _running(kind, tmp_path, webhook) as stack:
        rows = stack.folder / "customers.csv"
        recipients.write(rows, MESSAGES, seed=3, wrong=False)
        campaign = submit(stack, campaign_file(stack, "ledgers"), rows)
        watch(stack, campaign, timeout_s=_WITHIN_S)
        run(["dispatch", "watch", campaign, "--until", "reports", "--timeout", "300"], stack.environment)
        counts = {name: number for name, number in show(stack, campaign)["states"].items() if number}
        _until(lambda: any("ledgers" in text and "finished" in text for text in webhook.texts), "the alert")

        cookie = {"Cookie": log_in(stack, "owner")}
        for path in (*_PAGES, *_MORE_PAGES):
            _until(lambda path=path: _status(stack, path.format(id=campaign), cookie) == 200, path)  # type: ignore[misc]
        page = httpx.get(f"{stack.console_url}/campaigns/{campaign}", headers=cookie, timeout=60)
        for state, number in counts.items():
            assert re.search(rf'/messages\?state={state}">{number}</a>', page.text), (state, counts)
        assert "Redis does not answer" not in text_of_page(page.text)
        for path in ("/live/now", f"/live/campaigns/{campaign}"):
            # Like a page, a stream may be refused while Redis answers late; browsers then open the stream again.
            _until(lambda path=path: "ledger" in _first_events(stack, path, cookie), path)  # type: ignore[misc]
        # The metrics process may be the last process to start.
        _until(lambda: counts.items() <= _metrics(stack, "dispatch_messages").items(), "the metrics")

        if isinstance(stack, StackBehindSentinel):
            _lose_the_primary(stack, campaign, cookie, counts)
        stack.check()


def _lose_the_primary(
    stack: StackBehindSentinel, campaign: CampaignId, cookie: dict[str, str], counts: dict[str, int]
) -> None:
    """Let the sentinels choose another primary, and wait until console and metrics have found it."""
    stack.group.primary.kill()
    stack.group.wait_for_failover(within_s=_WITHIN_S)

    def shows_again() -> bool:
        page = httpx.get(f"{stack.console_url}/campaigns/{campaign}", headers=cookie, timeout=60)
        return page.status_code == 200 and f'state=delivered">{counts["delivered"]}</a>' in page.text

    _until(shows_again, "the console to find the new primary")
    _until(lambda: _metrics(stack, "dispatch_messages").get("delivered") == counts["delivered"], "the metrics")


def _status(stack: Stack, path: str, cookie: dict[str, str]) -> int:
    """Return the HTTP status of a page; it is 503 if Redis answered too late, as over TLS on a busy machine."""
    return httpx.get(stack.console_url + path, headers=cookie, timeout=60).status_code


def _first_events(stack: Stack, path: str, cookie: dict[str, str]) -> set[str]:
    events = set[str]()
    with httpx.stream("GET", stack.console_url + path, headers=cookie, timeout=60) as stream:
        for line in stream.iter_lines():
            if line.startswith("event: "):
                events.add(line.removeprefix("event: "))
            if "ledger" in events:
                break
    return events


def _metrics(stack: Stack, family: str) -> dict[str, int]:
    """Return the sums of a metric family by the label ``state``."""
    sums = dict[str, int]()
    try:
        text = httpx.get(stack.metrics_url, timeout=60).text
    except httpx.HTTPError:
        return sums
    for labels, value in re.findall(rf"^{family}\{{([^}}]*)\}} (\S+)$", text, re.MULTILINE):
        if state := re.search(r'state="([^"]+)"', labels):
            sums[state[1]] = sums.get(state[1], 0) + int(float(value))
    return sums
