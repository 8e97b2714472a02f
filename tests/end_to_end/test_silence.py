"""While delivery reports are missing, promotional messages stop and service messages continue; reports end the stop."""

import asyncio
import json
import time
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import httpx
import pytest

from tests.kit.command_line import campaign_file, compare, show, submit, watch
from tests.kit.history import count_days_before
from tests.kit.waiting import wait_until
from tests.kit.webhook import Webhook, running_webhook
from times_dispatch.demo import recipients
from times_dispatch.demo.processes import run
from times_dispatch.demo.stack import SETTINGS, Stack
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.states import CampaignState

pytestmark = [pytest.mark.processes, pytest.mark.slow]  # reports must be missing for about ten seconds

PROMOTIONAL, SERVICE = SenderId("567890"), SenderId("TIMESM")
CAMPAIGN = 'name = "offer"\nsender = "567890"\ntemplate = "festive-offer"\nvariables = ["{name}", "499"]\n'


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with running_webhook() as webhook:
        yield webhook


@pytest.fixture
def stack(webhook: Webhook) -> Iterator[Stack]:
    settings = SETTINGS.read_text("utf-8").replace("rate_per_s = 200", "rate_per_s = 30")
    settings = settings.replace('silence_after = "5m"', 'silence_after = "3s"')
    settings += '\n[categories.promotional]\nwindow = "00:00-24:00"\n'
    settings += '\n[alerts.targets.ops]\nkinds = ["silence"]\n'
    environment = {"DISPATCH_ALERTS_OPS_URL": webhook.url()}
    reports = {"delay_min_ms": 50, "delay_max_ms": 500, "failed": 0.0}
    with Stack(
        workers=1, metrics=True, settings=settings, sandbox={"reports": reports}, environment=environment
    ) as stack:
        asyncio.run(_write_history(stack))
        yield stack


async def _write_history(stack: Stack) -> None:
    today = datetime.now(ZoneInfo("Asia/Kolkata")).date()
    async with connect(stack.redis.url) as redis:
        for sender in (PROMOTIONAL, SERVICE):
            await count_days_before(redis, today, sender=sender, provider="timesmobile", within_s=0.5)


def _silent(stack: Stack, sender: SenderId) -> bool:
    views = json.loads(run(["dispatch", "sender", "list", "--json"], stack.environment).stdout)
    return any(view["id"] == sender and any(p["silent_since_ms"] for p in view["unavailable"]) for view in views)


def _accepted(stack: Stack, sender: SenderId) -> int:
    return int(stack.books()["senders"].get(sender, {}).get("accepted", 0))


def _faults(stack: Stack, **faults: object) -> None:
    httpx.post(f"{stack.sandbox_url}/sandbox/faults", json=faults, trust_env=False, timeout=60).raise_for_status()


def test_promotional_messages_stop_while_reports_are_missing_and_go_on_by_themselves(
    stack: Stack, webhook: Webhook
) -> None:
    rows = stack.folder / "customers.csv"
    recipients.write(rows, 2_500, seed=7, wrong=False)
    path = stack.folder / "offer.toml"
    path.write_text(CAMPAIGN, "utf-8")
    promotional = submit(stack, path, rows)
    wait_until(lambda: _accepted(stack, PROMOTIONAL) > 30)
    assert not _silent(stack, PROMOTIONAL)

    _faults(stack, reports_held=True)
    wait_until(lambda: _silent(stack, PROMOTIONAL))
    assert "no delivery report for" in show(stack, promotional)["reason"]
    time.sleep(1)  # pushes that were in flight
    before, began_s = _accepted(stack, PROMOTIONAL), time.monotonic()
    service = submit(stack, campaign_file(stack, "shipped"), rows)
    watch(stack, service, timeout_s=60)
    probes = _accepted(stack, PROMOTIONAL) - before
    # The first probe comes after three seconds, and each later probe after twice the time.
    assert probes <= 2 + (time.monotonic() - began_s) / 3
    assert show(stack, service)["state"] == "finished"

    held_back = "promotional messages of sender 567890 are held back from provider timesmobile"
    wait_until(lambda: any(held_back in text for text in webhook.texts), within_s=300)
    _faults(stack, reports_held=False)
    wait_until(lambda: not _silent(stack, PROMOTIONAL))
    sent = _accepted(stack, PROMOTIONAL)
    wait_until(lambda: _accepted(stack, PROMOTIONAL) > sent + 60)
    audit = run(["dispatch", "audit", "--sender", PROMOTIONAL], stack.environment).stdout
    assert "promotional messages held back" in audit
    assert "promotional messages go on" in audit
    assert run(["dispatch", "cancel", promotional, "--yes"], stack.environment).returncode == 0
    view, comparison = compare(stack, promotional)
    assert view.state is CampaignState.CANCELLED
    assert (comparison.examples, comparison.accepted_twice) == ([], 0)
    wait_until(lambda: any("over after" in text for text in webhook.texts), within_s=300)
    assert len([text for text in webhook.texts if held_back in text and "over after" not in text]) == 1
    stack.check()
