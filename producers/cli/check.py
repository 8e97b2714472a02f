"""``dispatch check``: reports what a submit would do, and sends nothing."""

import asyncio
import gc
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import click
import orjson
import uvloop
from redis.asyncio import Redis
from redis.exceptions import RedisError

from producers.cli import CliContext
from producers.cli.check_report import LABEL_WIDTH, report_as_json, report_as_lines
from producers.cli.output import echo, echo_report, progress_bar
from producers.draft import Draft
from producers.earlier_campaigns import OverlapCounter, comparable_campaigns
from producers.preflight.ledger_snapshot import take_snapshot
from producers.preflight.report import CheckReport
from producers.preflight.report import check as check_draft
from producers.preflight.suppressions import counter_of
from times_dispatch.ledger.connection import RedisUnavailable, connect
from times_dispatch.ledger.connection import check as check_redis
from times_dispatch.ledger.errors import LedgerNewer
from times_dispatch.ledger.monitoring.health import read_memory, urgent_warnings
from times_dispatch.ledger.numbers.forgotten_numbers import ForgottenNumbers
from times_dispatch.ledger.schema import refuse_newer_ledger
from times_dispatch.settings.model import Settings


@click.command()
@click.argument("campaign", type=click.Path(path_type=Path, readable=False))
@click.option(
    "--recipients",
    type=click.Path(path_type=Path, readable=False),
    help="CSV, JSON Lines, Parquet or Excel, with a column for the number. [default: the file that CAMPAIGN names]",
)
@click.option("--rejects", type=click.Path(path_type=Path, readable=False), help="Write the refused rows to this file.")
@click.option("--no-redis", is_flag=True, help="Do not ask the ledger, even if it is configured.")
@click.option("--now", "at_once", is_flag=True, help="Send at once, although start_at is past.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def check(
    options: CliContext,
    campaign: Path,
    recipients: Path | None,
    rejects: Path | None,
    *,
    no_redis: bool,
    at_once: bool,
    as_json: bool,
) -> None:
    """Check the CAMPAIGN file and its recipients as submit does; send nothing, store nothing.

    The report says which rows would be refused and why, what the campaign costs, and when it would start and finish.
    With a ledger, the report also counts the sender's other campaigns, the opt-out list, dead numbers and the frequency
    caps, and names a recent campaign to the same people, about which submit asks. Exits with 1 if messages of good rows
    would not be sent, with 2 if nothing can be sent at all. The digest in the report is for submit --checked.
    """
    settings = options.settings()
    draft = Draft(campaign, recipients, settings=settings, rejects=rejects, at_once=at_once)
    # Rows are millions of short-lived lists without cycles; looking for cycles in them costs a fifth of the time.
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    timeout_s = None if no_redis else options.timeouts.answer_s
    report = uvloop.run(_check(draft, settings, timeout_s, keep_rejects=rejects is not None))
    report.warnings.extend(settings.warnings)
    if as_json:
        echo(orjson.dumps(report_as_json(report)).decode())
    else:
        echo_report(*report_as_lines(report), indent=LABEL_WIDTH)
    if report.problems:
        raise SystemExit(1)


async def _check(draft: Draft, settings: Settings, timeout_s: float | None, *, keep_rejects: bool) -> CheckReport:
    """Check a draft, without the ledger if it does not answer within *timeout_s*; None does not ask the ledger."""
    redis = (
        connect(settings.redis_url, socket_timeout_s=timeout_s, retries=0)
        if settings.redis_url and timeout_s is not None
        else None
    )
    now, ledger_warning, urgent = datetime.now(UTC), "", list[str]()
    try:
        if redis:
            try:
                await asyncio.wait_for(check_redis(redis), timeout_s)
                await asyncio.wait_for(refuse_newer_ledger(redis), timeout_s)
                with suppress(RedisError):  # the check goes on; its later calls report the error
                    urgent = await asyncio.wait_for(urgent_warnings(redis), timeout_s)
            except (RedisUnavailable, LedgerNewer, TimeoutError) as error:
                ledger_warning = f"{error or 'the ledger did not answer'}: its campaigns and opt-outs are not counted"
                await redis.aclose()
                redis = None
        report = await _check_with(draft, redis, now, settings, keep_rejects=keep_rejects)
    finally:
        if redis:
            await redis.aclose()
    report.warnings.extend([*([ledger_warning] if ledger_warning else []), *urgent])
    return report


async def _check_with(
    draft: Draft, redis: Redis | None, now: datetime, settings: Settings, *, keep_rejects: bool
) -> CheckReport:
    """Check a draft, with the ledger if there is a connection.

    Args:
        draft: the campaign and its recipients.
        redis: the ledger; None if the ledger is not asked or does not answer.
        now: the moment of the check.
        settings: the settings.
        keep_rejects: whether the refused rows are written to a file.

    Raises:
        InputInvalid: no message can be sent at this moment.
        CommandFailed: a file changed while it was read.
    """
    plan = draft.campaign.plan(now)
    ledger = await take_snapshot(redis, plan) if redis else None
    memory = await read_memory(redis) if redis else None
    earlier = await comparable_campaigns(redis, draft, salt="", now=now) if redis else []
    with progress_bar(draft) as progress:
        return await check_draft(
            draft,
            now=now,
            ledger=ledger,
            suppressed=counter_of(redis, settings, draft, now) if redis else None,
            earlier=OverlapCounter(earlier),
            forgotten=ForgottenNumbers(redis, settings.forget_key) if redis else None,
            memory=memory,
            max_memory_share=settings.ledger.max_memory_share,
            keep_rejects=keep_rejects,
            progress=progress,
        )
