"""``dispatch check``: what a submit would do, without doing it."""

import asyncio
import gc
from datetime import UTC, datetime
from pathlib import Path

import click
import orjson
import uvloop
from redis.asyncio import Redis

from producers.cli import CliContext
from producers.cli.check_report import as_json, as_text
from producers.cli.output import bar
from producers.draft import Draft
from producers.preflight.ledger_snapshot import take_snapshot
from producers.preflight.report import CheckReport
from producers.preflight.report import check as check_draft
from times_dispatch.ledger.connection import RedisUnavailable, connect
from times_dispatch.ledger.connection import check as check_redis
from times_dispatch.ledger.optouts import OptOuts
from times_dispatch.settings.model import Settings

_PATIENCE_S = 3.0
"""A ledger that does not answer in time is done without."""


@click.command()
@click.argument("campaign", type=click.Path(path_type=Path))
@click.option(
    "--recipients",
    type=click.Path(path_type=Path),
    help="CSV, JSON Lines, Parquet or Excel, with a column for the number. [default: what CAMPAIGN names]",
)
@click.option("--rejects", type=click.Path(path_type=Path), help="Write refused rows there.")
@click.option("--no-redis", is_flag=True, help="Do not ask the ledger, even if it is configured.")
@click.option("--json", "for_programs", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def check(
    options: CliContext,
    campaign: Path,
    recipients: Path | None,
    rejects: Path | None,
    *,
    no_redis: bool,
    for_programs: bool,
) -> None:
    """Check the CAMPAIGN file and its recipients as submit does; send nothing, store nothing.

    Says which rows would be refused and why, what it costs, and when it would start and finish. With the ledger in
    reach it also counts the sender's other campaigns and the opt-out list. Exits with 1 if messages would not be sent
    that the rows themselves allow, with 2 if nothing can be sent at all.
    """
    settings = options.settings(frozenset())
    draft = Draft(campaign, recipients, settings=settings, rejects=rejects)
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    report = uvloop.run(_check(draft, settings, ask_ledger=not no_redis, keep_rejects=rejects is not None))
    report.warnings.extend(settings.warnings)
    click.echo(orjson.dumps(as_json(report)) if for_programs else as_text(report))
    if report.problems:
        raise SystemExit(1)


async def _check(draft: Draft, settings: Settings, *, ask_ledger: bool, keep_rejects: bool) -> CheckReport:
    redis = (
        connect(settings.redis_url, socket_timeout_s=_PATIENCE_S, retries=0)
        if settings.redis_url and ask_ledger
        else None
    )
    now, away = datetime.now(UTC), ""
    try:
        if redis:
            try:
                await asyncio.wait_for(check_redis(redis), _PATIENCE_S)
            except (RedisUnavailable, TimeoutError) as error:
                away = f"{error or 'the ledger did not answer'}: its campaigns and opt-outs are not counted"
                await redis.aclose()
                redis = None
        report = await _with_ledger(draft, redis, now, keep_rejects=keep_rejects)
    finally:
        if redis:
            await redis.aclose()
    if away:
        report.warnings.append(away)
    return report


async def _with_ledger(draft: Draft, redis: Redis | None, now: datetime, *, keep_rejects: bool) -> CheckReport:
    plan = draft.campaign.plan(now)
    ledger = await take_snapshot(redis, plan) if redis else None
    with bar(draft) as progress:
        return await check_draft(
            draft,
            now=now,
            ledger=ledger,
            optouts=OptOuts(redis) if redis else None,
            keep_rejects=keep_rejects,
            progress=progress,
        )
