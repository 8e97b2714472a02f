"""``dispatch show``: counts the messages of a campaign by state and by error."""

import csv
import json
from pathlib import Path

import click
import msgspec
from redis.asyncio import Redis

from producers.cli import CliContext, completion
from producers.cli.archived import catalog_with_keys
from producers.cli.ledger import warn_without_workers, with_ledger
from producers.cli.output import campaign_as_json, console, echo, second_in_india, trail_line
from producers.cli.retry_words import retry_rule_in_words, second_tries_in_words
from producers.cli.statistics_json import statistics_as_json
from times_dispatch.archive.catalog import Catalog
from times_dispatch.ledger.campaigns.search import CampaignSearch
from times_dispatch.ledger.campaigns.words import state_in_words
from times_dispatch.ledger.model import CampaignView
from times_dispatch.ledger.states import FINAL, SENT, UNSENT, CampaignState, MessageState
from times_dispatch.ledger.statistics.figures import Statistics, statistics_of
from times_dispatch.ledger.trail import Trail, TrailAction, TrailEntry, packed_entry
from times_dispatch.plurals import counted
from times_dispatch.provider.code_advice import advice_of
from times_dispatch.settings.masking import mask
from times_dispatch.settings.values.money import format_rupees

_MAX_TRAIL = 20
"""How many entries of the trail are shown."""


@click.command()
@click.argument("campaign", shell_complete=completion.campaigns)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--export",
    type=(click.Choice([state.label for state in MessageState]), click.Path(path_type=Path, readable=False)),
    metavar="STATE FILE",
    help="Write the rows in this state to a CSV file that only you can read, or to standard output (-): line, to, the "
    "slots' values, code.",
)
@click.option("--numbers", is_flag=True, help="Export whole phone numbers; by default their middle digits are hidden.")
@click.pass_obj
def show(options: CliContext, campaign: str, *, as_json: bool, export: tuple[str, Path] | None, numbers: bool) -> None:
    """Count the messages of CAMPAIGN by state and by error; exit with 1 if the states do not add up to the total."""
    to_stdout = export is not None and str(export[1]) == "-"
    if to_stdout and as_json:
        raise click.UsageError("standard output takes the rows of --export - or --json, not both")
    if numbers and not export:
        raise click.UsageError("--numbers is for --export")

    async def read(redis: Redis) -> tuple[CampaignView, list[TrailEntry], Statistics]:
        catalog = catalog_with_keys(options, redis) if export else Catalog(redis)
        view = await catalog.campaign(await CampaignSearch(redis).find(campaign))
        if export:
            detail = f"rows {export[0].replace('_', ' ')}"
            entry = packed_entry(options.actor, TrailAction.EXPORTED, campaign=view.id, detail=detail)
            await Trail(redis).note(view.plan.sender, entry)
            state = MessageState[export[0].upper()]
            written = await _export(catalog, view, state, export[1], shows_numbers=numbers)
            echo(f"{counted(written, 'row')} written to {'standard output' if to_stdout else export[1]}", err=True)
        await warn_without_workers(redis, [view])
        trail = Trail(redis).newest([view.plan.sender], limit=_MAX_TRAIL, campaign=view.id, since_ms=view.created_ms)
        statistics = statistics_of(await catalog.statistics(view))
        return view, await trail, statistics

    view, trail, statistics = with_ledger(options, read)
    if as_json:
        texts = _code_texts(options, view)
        more = {"code_texts": texts, "trail": msgspec.to_builtins(trail), "statistics": statistics_as_json(statistics)}
        echo(json.dumps({**campaign_as_json(view), **more}))
    elif not export:
        _print(view, _code_texts(options, view), trail, statistics)
    if not view.counters_add_up:
        raise SystemExit(1)


async def _export(catalog: Catalog, view: CampaignView, state: MessageState, path: Path, *, shows_numbers: bool) -> int:
    """Write the rows of a campaign in one state, and return how many rows were written.

    Args:
        catalog: reads the messages, also of an archived campaign.
        view: the campaign.
        state: the state of the rows.
        path: the CSV file; ``-`` is standard output.
        shows_numbers: whether numbers are written whole; otherwise they are masked.
    """
    from producers.export.files import open_csv  # noqa: PLC0415  # slow to import
    from producers.recipients.guarded_cells import (  # noqa: PLC0415  # the readers of recipients files are slow to import
        EXPORT_COLUMNS,
        EXPORT_LAST_COLUMN,
        guard_all,
    )

    written = 0
    with open_csv(path) as file:
        rows = csv.writer(file)
        slots = view.plan.text.count("{#")
        rows.writerow([*EXPORT_COLUMNS, *(f"var{number}" for number in range(1, slots + 1)), EXPORT_LAST_COLUMN])
        async for batch in catalog.batches(view):
            recipients, records = batch.recipients, batch.records
            for position, letter in enumerate(records.states):
                if letter == state:
                    values = (column[position] for column in recipients.slots)
                    number = recipients.to[position]
                    cells = (recipients.lines[position], number if shows_numbers else mask(number), *values)
                    rows.writerow(guard_all((*cells, records.codes[position] or "")))
                    written += 1
    return written


def _code_texts(options: CliContext, view: CampaignView) -> dict[str, str]:
    """Return the meaning of each code of a campaign, by the settings of its providers."""
    if not view.codes:
        return {}
    from producers.cli.code_texts import CodeTexts  # noqa: PLC0415  # slow to import

    meaning = CodeTexts(options).of(view)
    return {name: meaning(name) for name in view.codes}


def _print(view: CampaignView, code_texts: dict[str, str], trail: list[TrailEntry], statistics: Statistics) -> None:
    from rich.table import Table  # noqa: PLC0415  # slow to import, and JSON does without

    out = console()
    plan = view.plan
    reason = f", {view.reason}" if view.reason else ""
    out.print_line(f"{plan.name} ({view.id}): {state_in_words(view)}{reason}", bold=len(plan.name))
    out.print_line(
        f"sender {plan.sender}, template {plan.template}, provider {plan.provider}, "
        f"{counted(view.parts, 'part')} accepted" + _money(statistics)
    )
    if plan.resend_of:
        out.print_line(f"resend of {plan.resend_of}: {plan.resend_choice}")
    if view.resends:
        out.print_line(f"resent as {', '.join(view.resends)}")
    for name, epoch_ms in (
        ("submitted", view.sealed_ms),
        ("start", plan.start_at_ms),
        ("first sent", view.first_sent_ms),
        ("last sent", view.last_sent_ms),
        ("finished", view.finished_ms),
        ("valid until", plan.valid_until_ms),
    ):
        if epoch_ms:
            out.print_line(f"{name} {second_in_india(epoch_ms / 1000)}")
    if plan.retry:
        out.print_line(retry_rule_in_words(plan.retry))
        out.print_line(f"second tries: {second_tries_in_words(view, statistics)}")
    states = Table("state", box=None, pad_edge=False)
    states.add_column("messages", justify="right")
    states.add_column("")
    for state, number in view.counts.items():
        if number:
            states.add_row(state.label, f"{number:,}", _meaning(state, cancelled=view.state is CampaignState.CANCELLED))
    states.add_row("all", f"{sum(view.counts.values()):,}", f"of {view.total:,} submitted", style="bold")
    out.print(states)
    if view.codes:
        codes = Table("code", box=None, pad_edge=False)
        codes.add_column("messages", justify="right")
        codes.add_column("meaning: what to do")
        for name, number in view.codes.items():
            origin, _, code = name.partition(":")
            codes.add_row(
                f"{origin} {code}", f"{number:,}", ": ".join(filter(None, (code_texts[name], advice_of(name))))
            )
        out.print(codes)
    for name, number in sorted(view.stats.items()):
        out.print_line(f"{name.replace('_', ' ')}: {number:,}")
    for entry in trail:
        out.print_line(trail_line(entry))
    if not view.counters_add_up:
        out.print(
            f"the counters do not add up: {sum(view.counts.values()):,} over all states, {view.total:,} in all",
            style="red",
        )


def _money(statistics: Statistics) -> str:
    """Return what the accepted parts have cost so far, as the end of a sentence; empty if no price is known."""
    if not statistics.cost:
        return ""
    unpriced = f" and {counted(statistics.unpriced_parts, 'part')} without a price" if statistics.unpriced_parts else ""
    return f", {format_rupees(statistics.cost)} so far{unpriced}"


def _meaning(state: MessageState, *, cancelled: bool) -> str:
    if state is MessageState.SENDING:
        return "may have been sent; the response decides"
    if state in UNSENT:
        return "will not be sent" if cancelled else "not sent yet"
    if state is MessageState.IN_DOUBT:
        return "may have been sent; a report decides"
    if state is MessageState.ACCEPTED:
        return "awaiting a report"
    return "sent" if state in SENT else "final" if state in FINAL else ""
