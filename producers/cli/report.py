"""``dispatch report``: writes one row for each message of campaigns, as CSV, JSON Lines, Parquet or a workbook."""

import sys
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

import click
from redis.asyncio import Redis

from producers.cli import CliContext, completion
from producers.cli.archived import catalog_with_keys
from producers.cli.code_texts import CodeTexts
from producers.cli.ledger import name_campaign, with_ledger
from producers.cli.output import echo
from producers.cli.types import CodesType, DayType, refuse_reversed_days
from producers.errors import CommandFailed, InputInvalid
from producers.export.files import (
    TEXT_FORMATS,
    ExportFormat,
    open_export,
    path_by_day,
    standard_output,
    submit_day,
    write_rows,
)
from producers.export.own_columns import OwnColumns
from producers.export.rows import CampaignRows, RowFilter
from producers.export.schema import Column, columns_of
from times_dispatch.archive.catalog import Catalog
from times_dispatch.ledger.campaigns.search import CampaignSearch
from times_dispatch.ledger.errors import CampaignDamaged
from times_dispatch.ledger.model import CampaignId, CampaignView
from times_dispatch.ledger.states import MessageState
from times_dispatch.ledger.trail import Trail, TrailAction, packed_entry
from times_dispatch.plurals import counted

_STDOUT = "-"


@click.command()
@click.argument("campaigns", nargs=-1, shell_complete=completion.campaigns)
@click.option(
    "--out",
    required=True,
    help="Write to FILE.csv, .jsonl, .parquet or .xlsx, to a folder, or with - to standard output.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice([each.value for each in ExportFormat]),
    help="The format. [default: by the suffix of --out, or csv]",
)
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.label for state in MessageState]),
    help="Write only messages in this state; may be repeated.",
)
@click.option("--code", "codes", type=CodesType(), default="", help="Write only messages with these codes: 910,912.")
@click.option("--numbers", is_flag=True, help="Write whole phone numbers; by default their middle digits are hidden.")
@click.option(
    "--recipients", type=click.Path(path_type=Path, readable=False), help="Add all columns of this recipients file."
)
@click.option("--to", default="to", show_default=True, help="The column of --recipients that holds the numbers.")
@click.option(
    "--since",
    type=DayType(),
    help="Write only campaigns submitted on this day in India or later; without CAMPAIGNS, all of these.",
)
@click.option("--until", type=DayType(), help="Write only campaigns submitted on this day in India or earlier.")
@click.option(
    "--partitioned", is_flag=True, help="Make a folder for each day of submit, with a file for each campaign."
)
@click.pass_obj
def report(
    options: CliContext,
    campaigns: tuple[str, ...],
    out: str,
    *,
    form: str | None,
    states: tuple[str, ...],
    codes: frozenset[int],
    numbers: bool,
    recipients: Path | None,
    to: str,
    since: date | None,
    until: date | None,
    partitioned: bool,
) -> None:
    """Write one row for each message of CAMPAIGNS: number, values, state, code, times, parts, transaction id, attempt.

    A message that changes while the report is written is in the report once, either before or after its change.
    docs/exports.md lists the columns.
    """
    if not campaigns and since is None:
        raise InputInvalid("name campaigns, or give a day: --since yesterday")
    refuse_reversed_days(since, until)
    if recipients and len(campaigns) != 1:
        raise InputInvalid("--recipients needs exactly one campaign: the campaign that was submitted with this file")
    chosen = _format(out, form, partitioned=partitioned)
    row_filter = RowFilter(frozenset(MessageState[state.upper()] for state in states), codes)

    async def write(redis: Redis) -> tuple[int, int]:
        catalog = catalog_with_keys(options, redis)
        views = await _views(redis, catalog, campaigns, since, until)
        for view in views:
            entry = packed_entry(options.actor, TrailAction.EXPORTED, campaign=view.id, detail=_detail(row_filter))
            await Trail(redis).note(view.plan.sender, entry)
        own = OwnColumns(recipients, to=to) if recipients else None
        texts = CodeTexts(options)
        slots = max((view.plan.text.count("{#") for view in views), default=0)
        columns = columns_of(slots, own.names if own else ())
        rows = [
            CampaignRows(
                view,
                row_filter=row_filter,
                meaning=texts.of(view),
                shows_numbers=numbers,
                slots=slots,
                own=own,
            )
            for view in views
        ]
        if out == _STDOUT:
            return await _write_stdout(catalog, rows, chosen, columns), len(views)
        if not partitioned:
            with open_export(Path(out), chosen, columns) as writer:
                return await write_rows(catalog, rows, writer), len(views)
        written = 0
        for view, of_campaign in zip(views, rows, strict=True):
            path = path_by_day(Path(out), view, chosen)
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open_export(path, chosen, columns) as writer:
                written += await write_rows(catalog, [of_campaign], writer)
        return written, len(views)

    written, of_campaigns = with_ledger(options, write, is_long=True)
    where = "standard output" if out == _STDOUT else out
    echo(f"{counted(written, 'row')} of {counted(of_campaigns, 'campaign')} written to {where}", err=True)


def _format(out: str, form: str | None, *, partitioned: bool) -> ExportFormat:
    suffix = "" if partitioned or out == _STDOUT else Path(out).suffix.lower().removeprefix(".")
    if not form and suffix not in set(ExportFormat) and not partitioned and out != _STDOUT:
        raise InputInvalid(f"{out}: cannot tell the format; end the name with .csv, .jsonl, .parquet or .xlsx")
    chosen = ExportFormat(form or suffix or (ExportFormat.PARQUET if partitioned else ExportFormat.CSV))
    if out == _STDOUT and (partitioned or chosen not in TEXT_FORMATS):
        raise InputInvalid("standard output takes --format csv or jsonl, without --partitioned")
    return chosen


async def _views(
    redis: Redis, catalog: Catalog, campaigns: Sequence[str], since: date | None, until: date | None
) -> Sequence[CampaignView]:
    """Return the named campaigns, or all campaigns of some days; of the latter, warn about damaged ones and skip them.

    Args:
        redis: the ledger.
        catalog: the campaigns of the ledger and of the archive.
        campaigns: names or ids; empty means all campaigns of the days.
        since: the first day, in India; None sets no first day.
        until: the last day, in India; None sets no last day.

    Raises:
        CampaignUnknown: a name or id belongs to no campaign.
        CampaignAmbiguous: a name belongs to several campaigns.
        CampaignDamaged: a named campaign cannot be read.
    """
    if campaigns:
        search, ids = CampaignSearch(redis), list[CampaignId]()
        for words in campaigns:
            ids.append(await search.find(words))
            name_campaign(words, ids[-1])
        views: Iterable[CampaignView] = [await catalog.campaign(campaign) for campaign in dict.fromkeys(ids)]
    else:
        damaged: list[CampaignDamaged] = []
        views = reversed(await catalog.campaigns(damaged=damaged))
        for damage in damaged:
            echo(f"warning: left out: {damage}", err=True)
    return [
        view
        for view in views
        if (since is None or submit_day(view) >= since) and (until is None or submit_day(view) <= until)
    ]


async def _write_stdout(
    catalog: Catalog, rows: Sequence[CampaignRows], form: ExportFormat, columns: Sequence[Column]
) -> int:
    try:
        written = await write_rows(catalog, rows, standard_output(form, columns, sys.stdout.write))
        sys.stdout.flush()
    except OSError as error:
        raise CommandFailed(f"standard output: {(error.strerror or 'unknown reason').lower()}") from None
    return written


def _detail(row_filter: RowFilter) -> str:
    chosen = sorted(state.label for state in row_filter.states)
    chosen += [f"code {code}" for code in sorted(row_filter.codes)]
    return f"report of {', '.join(chosen) or 'all rows'}"
