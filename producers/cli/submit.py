"""``dispatch submit``: a campaign file and a recipients file in, a running campaign out."""

import gc
import secrets
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
import orjson
import uvloop

from producers.cli import CliContext
from producers.cli.output import bar
from producers.draft import Draft
from producers.submit import Progress, Submitted
from producers.submit import submit as submit_draft
from times_dispatch.ledger.connection import check, connect
from times_dispatch.ledger.model import Plan
from times_dispatch.settings.load import Need
from times_dispatch.settings.model import Settings
from times_dispatch.sms.rules.window import INDIA_ZONE, Window

_REASONS_SHOWN = 10
_ZONE = ZoneInfo(INDIA_ZONE)


@click.command()
@click.argument("campaign", type=click.Path(path_type=Path))
@click.option(
    "--recipients",
    type=click.Path(path_type=Path),
    help="CSV, JSON Lines, Parquet or Excel, with a column for the number. [default: what CAMPAIGN names]",
)
@click.option(
    "--rejects",
    type=click.Path(path_type=Path),
    help="Where refused rows go. [default: customers.rejects.csv beside customers.csv]",
)
@click.option("--again", is_flag=True, help="Send it once more, although the same files were submitted before.")
@click.option("--salt", help="Finish a submit --again that broke off: the salt that it printed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def submit(
    options: CliContext,
    campaign: Path,
    recipients: Path | None,
    rejects: Path | None,
    *,
    again: bool,
    salt: str | None,
    as_json: bool,
) -> None:
    """Check the CAMPAIGN file and its recipients, write its messages, and send it.

    Nothing is sent before every row is checked and stored. Run the same command again if it broke off: it goes on where
    it stopped. Once it is done, running it again does nothing.
    """
    settings = options.settings(frozenset({Need.LEDGER}))
    draft = Draft(campaign, recipients, settings=settings, rejects=rejects)
    if again and not salt:
        salt = secrets.token_hex(4)
        click.echo(f"submitted again; if this breaks off, finish it with --salt {salt}", err=True)
    # Rows are millions of short-lived lists without cycles; looking for cycles in them costs a fifth of the time.
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    with bar(draft) as progress:
        submitted = uvloop.run(_submit(draft, settings, salt or "", progress))
    for warning in (*settings.warnings, *submitted.warnings):
        click.echo(f"warning: {warning}", err=True)
    click.echo(orjson.dumps(_as_json(submitted, salt)) if as_json else _as_text(submitted))


async def _submit(draft: Draft, settings: Settings, salt: str, progress: Progress | None) -> Submitted:
    redis = connect(settings.redis_url)
    try:
        await check(redis)
        return await submit_draft(draft, settings=settings, redis=redis, salt=salt, progress=progress)
    finally:
        await redis.aclose()


def _as_json(submitted: Submitted, salt: str | None) -> dict[str, Any]:
    return {
        "campaign": submitted.campaign,
        "name": submitted.plan.name,
        "sender": submitted.plan.sender,
        "state": submitted.state.value,
        "already_submitted": submitted.already,
        "accepted": submitted.accepted,
        "refused": submitted.refused,
        "opted_out": submitted.opted_out,
        "rejects": str(submitted.rejects) if submitted.rejects else None,
        "messages": {"gsm": submitted.gsm_messages, "ucs2": submitted.ucs2_messages},
        "parts": {"gsm": submitted.gsm_parts, "ucs2": submitted.ucs2_parts},
        "start_at": _iso(submitted.plan.start_at_ms),
        "valid_until": _iso(submitted.plan.valid_until_ms),
        "salt": salt,
        "warnings": submitted.warnings,
    }


def _as_text(submitted: Submitted) -> str:
    if submitted.already:
        return f"already submitted as {submitted.campaign} ({submitted.state.value}); --again sends it once more"
    parts = submitted.gsm_parts + submitted.ucs2_parts
    lines = [
        f"campaign  {submitted.campaign}  {submitted.plan.name} from {submitted.plan.sender}",
        f"accepted  {_counted(submitted.accepted, 'message')} in {_counted(parts, 'part')}",
    ]
    for encoding, messages, parts in (
        ("GSM-7", submitted.gsm_messages, submitted.gsm_parts),
        ("UCS-2", submitted.ucs2_messages, submitted.ucs2_parts),
    ):
        if messages:
            lines.append(f"          {encoding}: {_counted(messages, 'message')} in {_counted(parts, 'part')}")
    if submitted.opted_out:
        lines.append(f"          {submitted.opted_out:,} suppressed: on the opt-out list")
    where = f", see {submitted.rejects}" if submitted.rejects else ""
    lines.append(f"refused   {_counted(sum(submitted.refused.values()), 'row')}{where}")
    lines += [f"          {rows:,}: {reason}" for reason, rows in list(submitted.refused.items())[:_REASONS_SHOWN]]
    if (more := len(submitted.refused) - _REASONS_SHOWN) > 0:
        lines.append(f"          and {more:,} more reasons")
    lines.append(f"starts    {_start(submitted.plan)}")
    return "\n".join(lines)


def _start(plan: Plan) -> str:
    starts = _moment(plan.start_at_ms) if plan.start_at_ms else "at once"
    if not plan.send_until_min:
        return starts
    return f"{starts}, in the hours {Window(plan.send_from_min, plan.send_until_min, plan.zone)}"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _iso(ms: int) -> str | None:
    return datetime.fromtimestamp(ms / 1000, _ZONE).isoformat() if ms else None


def _moment(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, _ZONE):%Y-%m-%d %H:%M} IST"
