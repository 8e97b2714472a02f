"""How the end-to-end tests use the project: as a person would, through the command line."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import httpx

from callbacks.streams import REPORTS
from times_dispatch.demo.processes import run
from times_dispatch.demo.reckoning import Reckoning, accepted, reckon
from times_dispatch.demo.stack import Stack
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.model import CampaignId, CampaignView
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.states import MessageState
from times_dispatch.provider.ids import CorrelationIds

CAMPAIGN = """\
name = "{name}"
sender = "{sender}"
template = "order-shipped"
variables = ["{{name}}", "{{order}}", "Rs {{amount}}"]
"""


def campaign_file(stack: Stack, name: str, *, sender: str = "TIMESM", extra: str = "") -> Path:
    """Write a campaign file."""
    path = stack.folder / f"{name}.toml"
    path.write_text(CAMPAIGN.format(name=name, sender=sender) + extra, "utf-8")
    return path


def submit(stack: Stack, campaign: Path, recipients: Path) -> CampaignId:
    """Submit a campaign and return its id."""
    command = ["dispatch", "submit", str(campaign), "--recipients", str(recipients), "--json"]
    done = run(command, stack.environment)
    assert done.returncode == 0, done.stderr
    return CampaignId(json.loads(done.stdout)["campaign"])


def show(stack: Stack, campaign: CampaignId) -> dict[str, Any]:
    """Return what ``dispatch show --json`` says."""
    done = run(["dispatch", "show", campaign, "--json"], stack.environment)
    assert done.returncode == 0, done.stderr
    shown: dict[str, Any] = json.loads(done.stdout)
    return shown


def watch(stack: Stack, campaign: CampaignId, *, timeout_s: float) -> None:
    """Wait with ``dispatch watch`` until nothing is left to send."""
    done = run(["dispatch", "watch", campaign, "--timeout", str(timeout_s)], stack.environment)
    assert done.returncode == 0, done.stdout + done.stderr


def compare(stack: Stack, campaign: CampaignId, *, within_s: float = 30.0) -> tuple[CampaignView, Reckoning]:
    """Wait until every report is in, then hold the ledger against the sandbox's books."""
    return asyncio.run(_compare(stack, campaign, within_s))


async def _compare(stack: Stack, campaign: CampaignId, within_s: float) -> tuple[CampaignView, Reckoning]:
    redis = connect(stack.redis.url)
    try:
        views = Queries(redis)
        until = time.monotonic() + within_s
        async with httpx.AsyncClient(trust_env=False, timeout=within_s) as client:
            await client.post(f"{stack.sandbox_url}/sandbox/flush")
        while await redis.xlen(REPORTS) and time.monotonic() < until:
            await asyncio.sleep(0.05)
        view = await views.campaign(campaign)
        while (view.counts[MessageState.ACCEPTED] or view.unsent) and time.monotonic() < until:
            await asyncio.sleep(0.2)
            view = await views.campaign(campaign)
        ids = CorrelationIds(stack.environment["DISPATCH_ID_KEY"].encode())
        return view, await reckon(views, view, ids=ids, books=await accepted(stack.sandbox_url))
    finally:
        await redis.aclose()
