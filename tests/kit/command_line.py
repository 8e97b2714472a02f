"""Uses the project as a person would: through the ``dispatch`` command line."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import httpx

from callbacks.streams import REPORTS
from times_dispatch.demo.comparison import Comparison, fetch_books
from times_dispatch.demo.comparison import compare as compare_with_books
from times_dispatch.demo.processes import run
from times_dispatch.demo.stack import Stack
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.model import CampaignId, CampaignView
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.states import MessageState
from times_dispatch.provider.correlation_ids import CorrelationIds

CAMPAIGN = """\
name = "{name}"
sender = "{sender}"
template = "order-shipped"
variables = ["{{name}}", "{{order}}"]
"""


def campaign_file(stack: Stack, name: str, *, sender: str = "TIMESM", extra: str = "") -> Path:
    """Write a campaign file."""
    path = stack.folder / f"{name}.toml"
    path.write_text(CAMPAIGN.format(name=name, sender=sender) + extra, "utf-8")
    return path


def submit(stack: Stack, campaign: Path, recipients: Path) -> CampaignId:
    """Submit a campaign and return its id."""
    command = ["dispatch", "submit", str(campaign), "--recipients", str(recipients), "--yes", "--json"]
    done = run(command, stack.environment)
    assert done.returncode == 0, done.stderr
    return CampaignId(json.loads(done.stdout)["campaign"])


def show(stack: Stack, campaign: CampaignId) -> dict[str, Any]:
    """Return the output of ``dispatch show --json``."""
    done = run(["dispatch", "show", campaign, "--json"], stack.environment)
    assert done.returncode == 0, done.stderr
    shown: dict[str, Any] = json.loads(done.stdout)
    return shown


def watch(stack: Stack, campaign: CampaignId, *, timeout_s: float) -> None:
    """Wait with ``dispatch watch`` until every message is sent."""
    done = run(["dispatch", "watch", campaign, "--timeout", str(timeout_s)], stack.environment)
    assert done.returncode == 0, done.stdout + done.stderr


def compare(stack: Stack, campaign: CampaignId, *, within_s: float = 30.0) -> tuple[CampaignView, Comparison]:
    """Wait until every delivery report has arrived, then compare the ledger with the sandbox's books."""
    return asyncio.run(_compare(stack, campaign, within_s))


async def _compare(stack: Stack, campaign: CampaignId, within_s: float) -> tuple[CampaignView, Comparison]:
    redis = connect(stack.environment["DISPATCH_REDIS_URL"])
    try:
        queries = Queries(redis)
        until = time.monotonic() + within_s
        async with httpx.AsyncClient(trust_env=False, timeout=within_s) as client:
            await client.post(f"{stack.sandbox_url}/sandbox/flush")
        while await redis.xlen(REPORTS) and time.monotonic() < until:
            await asyncio.sleep(0.05)
        view = await queries.campaign(campaign)
        while (view.counts[MessageState.ACCEPTED] or view.unsent) and time.monotonic() < until:
            await asyncio.sleep(0.2)
            view = await queries.campaign(campaign)
        ids = CorrelationIds(stack.environment["DISPATCH_ID_KEY"].encode())
        return view, await compare_with_books(queries, view, ids=ids, books=await fetch_books(stack.sandbox_url))
    finally:
        await redis.aclose()
