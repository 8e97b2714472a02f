"""``dispatch submit``: starts a campaign from a campaign file and a recipients file."""

import gc
import secrets
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import orjson
import uvloop
from redis.exceptions import RedisError

from producers.checked_digest import refuse_unless_checked
from producers.cli import CliContext
from producers.cli.confirmation import confirm, yes_option
from producers.cli.ledger import open_ledger, warn_without_workers
from producers.cli.output import INDIA, echo, echo_report, minute_in_india, progress_bar, why_not_started
from producers.draft import Draft
from producers.earlier_campaigns import comparable_campaigns, overlaps, overlaps_in_words
from producers.errors import CommandFailed, InputInvalid
from producers.preflight.suppressions import count_repetitions, repetitions_in_words
from producers.submit import Progress, SubmitResult
from producers.submit import submit as submit_draft
from times_dispatch.ledger.campaigns.words import state_in_words
from times_dispatch.ledger.model import CampaignView, Plan
from times_dispatch.ledger.numbers.samples import SampledCampaign
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.repetitions import Repetitions
from times_dispatch.ledger.states import CampaignState
from times_dispatch.plurals import counted
from times_dispatch.settings.load import Need
from times_dispatch.settings.model import Settings
from times_dispatch.sms.rules.send_window import SendWindow

_LABEL_WIDTH = 10
"""Columns of the label of a line, with the blanks after it."""
_MAX_REASONS = 10


@click.command()
@click.argument("campaign", type=click.Path(path_type=Path, readable=False))
@click.option(
    "--recipients",
    type=click.Path(path_type=Path, readable=False),
    help="CSV, JSON Lines, Parquet or Excel, with a column for the number. [default: the file that CAMPAIGN names]",
)
@click.option(
    "--rejects",
    type=click.Path(path_type=Path, readable=False),
    help="Write the refused rows to this file. [default: customers.rejects.csv beside customers.csv]",
)
@click.option(
    "--again", is_flag=True, help="Send the campaign once more, although the same files were submitted before."
)
@click.option("--salt", help="Finish the submit --again that printed this salt and broke off.")
@click.option("--now", "at_once", is_flag=True, help="Send at once, although start_at is past.")
@click.option(
    "--checked", metavar="DIGEST", help="Refuse if a file or a setting has changed since dispatch check printed DIGEST."
)
@yes_option
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
    at_once: bool,
    checked: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Check the CAMPAIGN file and its recipients, store the messages, and send them.

    No message is sent before every row is checked and stored. If the command breaks off, run the same command again: it
    goes on where it stopped. After the submit has finished, the same command does nothing. If a campaign of the sender
    in the last three days has the same name or template and half of the recipients, the command asks first, unless
    --again or --yes is given.
    """
    settings = options.settings(Need.LEDGER)
    draft = Draft(campaign, recipients, settings=settings, rejects=rejects, at_once=at_once)
    if checked is not None:
        refuse_unless_checked(draft, checked)
    if again and not salt:
        salt = secrets.token_hex(4)
        echo(f"submits again; if this command breaks off, finish the submit with --salt {salt}", err=True)
    # Rows are millions of short-lived lists without cycles; looking for cycles in them costs a fifth of the time.
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    if not salt:
        _ask_about_repetition(draft, settings, ask=not yes)
    if again:
        _tell_about_suppression(draft, settings, ask=not yes)
    with progress_bar(draft) as progress:
        is_first = bool(salt) and not again
        result, view = uvloop.run(_submit(draft, settings, salt or "", progress, options.actor, is_first=is_first))
    for warning in (*settings.warnings, *result.warnings):
        echo(f"warning: {warning}", err=True)
    if result.state is CampaignState.CANCELLED and not result.already_submitted:
        raise CommandFailed(
            f"campaign {result.campaign} was cancelled during its submit: none of its messages is sent; "
            "--again submits it once more"
        )
    if view and view.state is CampaignState.CANCELLED and not result.already_submitted:
        raise CommandFailed(
            f"campaign {result.campaign} was cancelled just after its submit: dispatch show {result.campaign} says "
            "which of its messages were sent"
        )
    if as_json:
        echo(orjson.dumps(_as_json(result, salt)).decode())
    else:
        echo_report(*_as_lines(result, view), indent=_LABEL_WIDTH)


async def _submit(
    draft: Draft, settings: Settings, salt: str, progress: Progress | None, actor: str, *, is_first: bool
) -> tuple[SubmitResult, CampaignView | None]:
    """Submit a draft; return the result and, if it runs, the campaign; print a warning if no worker runs.

    Args:
        draft: the campaign and its recipients.
        settings: the settings, with the ledger's address.
        salt: makes a second campaign of the same files; empty for the first campaign.
        progress: shows how many rows were read; None shows nothing.
        actor: the person who submits, for the trail.
        is_first: whether the command has not used Redis before.

    Raises:
        RedisUnavailable: the ledger does not answer, or refuses the login.
        InputInvalid: no row can be sent, the times forbid it, or the settings have changed since an earlier run.
        CommandFailed: a file changed while it was read, or the campaign does not fit into Redis.
        LedgerError: the id key is refused, or the sender's lanes are.
    """
    async with open_ledger(settings.redis_url, is_long=True, is_first=is_first) as redis:
        result = await submit_draft(draft, settings=settings, redis=redis, salt=salt, progress=progress, actor=actor)
        await warn_without_workers(redis)
        if result.state is CampaignState.RUNNING:
            with suppress(RedisError):  # the submit is done, whatever happens to Redis now
                return result, await Queries(redis).campaign(result.campaign)
        return result, None


def _ask_about_repetition(draft: Draft, settings: Settings, *, ask: bool) -> None:
    """Ask before a draft goes to the recipients of an earlier campaign; raise InputInvalid if nobody can be asked.

    Without *ask*, only print how many of its messages will be suppressed as repetitions, or will wait.
    """
    campaigns = uvloop.run(_comparable_campaigns(draft, settings))
    if not campaigns:
        return
    with progress_bar(draft) as progress:
        repeated = overlaps(draft, campaigns, progress)
    if not repeated:
        return
    with progress_bar(draft) as progress:
        repetitions = uvloop.run(_count_repetitions(draft, settings, progress))
    whose = "of them" if ask else "of these messages"
    suppressed = list(repetitions_in_words(repetitions, draft.campaign.sender, whose=whose))
    if not ask:
        echo(*(f"warning: {line}" for line in suppressed), err=True)
        return
    lines = [overlaps_in_words(repeated), *suppressed]
    if not sys.stdin.isatty():
        raise InputInvalid(f"{'; '.join(lines)}; nothing is submitted, --yes submits it without asking")
    confirm(*lines)


def _tell_about_suppression(draft: Draft, settings: Settings, *, ask: bool) -> None:
    """Print how many messages of a draft will be suppressed as repetitions; with *ask*, ask first on a terminal."""
    with progress_bar(draft) as progress:
        repetitions = uvloop.run(_count_repetitions(draft, settings, progress))
    lines = [f"submitted again: {line}" for line in repetitions_in_words(repetitions, draft.campaign.sender)]
    if lines and ask and sys.stdin.isatty():
        confirm(*lines)
    elif lines:
        echo(*lines, err=True)


async def _count_repetitions(draft: Draft, settings: Settings, progress: Progress | None) -> Repetitions:
    async with open_ledger(settings.redis_url, is_long=True) as redis:
        return await count_repetitions(redis, settings, draft, datetime.now(UTC), progress)


async def _comparable_campaigns(draft: Draft, settings: Settings) -> list[SampledCampaign]:
    async with open_ledger(settings.redis_url, is_long=True) as redis:
        return await comparable_campaigns(redis, draft, salt="", now=datetime.now(UTC))


def _as_json(result: SubmitResult, salt: str | None) -> dict[str, Any]:
    return {
        "campaign": result.campaign,
        "name": result.plan.name,
        "sender": result.plan.sender,
        "state": result.state.value,
        "already_submitted": result.already_submitted,
        "file": result.source,
        "accepted": result.accepted,
        "refused": result.refused,
        "opted_out": result.opted_out,
        "forgotten": result.forgotten,
        "rejects": str(result.rejects) if result.rejects else None,
        "messages": {"gsm": result.gsm_messages, "ucs2": result.ucs2_messages},
        "parts": {"gsm": result.gsm_parts, "ucs2": result.ucs2_parts},
        "start_at": _iso(result.plan.start_at_ms),
        "valid_until": _iso(result.plan.valid_until_ms),
        "salt": salt,
        "warnings": result.warnings,
    }


def _as_lines(result: SubmitResult, view: CampaignView | None) -> list[str]:
    if result.already_submitted:
        state = state_in_words(view) if view else result.state.value
        return [f"already submitted as {result.campaign} ({state}); --again sends the campaign once more"]
    parts = result.gsm_parts + result.ucs2_parts
    lines = [
        f"campaign  {result.campaign}  {result.plan.name} from {result.plan.sender}",
        f"file      {result.source}",
        f"accepted  {counted(result.accepted, 'message')} in {counted(parts, 'part')}",
    ]
    for encoding, messages, parts in (
        ("GSM-7", result.gsm_messages, result.gsm_parts),
        ("UCS-2", result.ucs2_messages, result.ucs2_parts),
    ):
        if messages:
            lines.append(f"          {encoding}: {counted(messages, 'message')} in {counted(parts, 'part')}")
    if result.opted_out:
        lines.append(f"          {result.opted_out:,} suppressed: on the opt-out list")
    if result.forgotten:
        lines.append(f"          {result.forgotten:,} suppressed: a forgotten number")
    where = f", see {result.rejects}" if result.rejects else ""
    lines.append(f"refused   {counted(sum(result.refused.values()), 'row')}{where}")
    lines += [f"          {rows:,}: {reason}" for reason, rows in list(result.refused.items())[:_MAX_REASONS]]
    if (more := len(result.refused) - _MAX_REASONS) > 0:
        lines.append(f"          and {counted(more, 'more reason')}")
    waits = why_not_started(view)
    lines.append(f"starts    later: {waits}" if waits else f"starts    {_start(result.plan)}")
    return lines


def _start(plan: Plan) -> str:
    starts = minute_in_india(_moment(plan.start_at_ms)) if plan.start_at_ms else "at once"
    if not plan.send_until_min:
        return starts
    return f"{starts}, in the hours {SendWindow(plan.send_from_min, plan.send_until_min, plan.zone)}"


def _iso(epoch_ms: int) -> str | None:
    return _moment(epoch_ms).isoformat() if epoch_ms else None


def _moment(epoch_ms: int) -> datetime:
    return datetime.fromtimestamp(epoch_ms / 1000, INDIA)
