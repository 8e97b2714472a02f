"""``dispatch resend``: makes a new campaign of chosen messages of an earlier campaign."""

import json
import secrets
from contextlib import suppress

import click
from redis.asyncio import Redis
from redis.exceptions import RedisError

from producers.cli import CliContext, completion
from producers.cli.confirmation import confirm, yes_option
from producers.cli.ledger import campaign_meant, warn_without_workers, with_ledger
from producers.cli.output import echo, echo_report, second_in_india, why_not_started
from producers.cli.types import CodesType, DurationType
from producers.errors import CommandFailed
from producers.resend.resender import DOUBTFUL, RESENDABLE, Choice, Resender, ResendResult, Survey
from times_dispatch.ledger.campaigns.words import state_in_words
from times_dispatch.ledger.model import CampaignView
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.reports.report_backlog import unapplied_reports
from times_dispatch.ledger.states import CampaignState, MessageState
from times_dispatch.plurals import counted
from times_dispatch.settings.load import Need
from times_dispatch.settings.model import Settings
from times_dispatch.settings.values.money import format_rupees


@click.command()
@click.argument("campaign", shell_complete=completion.campaigns)
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.label for state in MessageState if state in RESENDABLE]),
    help="Send messages in this state; may be repeated.",
)
@click.option("--code", "codes", type=CodesType(), default="", help="Send only messages with these codes: 912,914.")
@click.option(
    "--in-doubt",
    is_flag=True,
    help="Send also messages in doubt: a person who already got such a message gets it twice.",
)
@click.option(
    "--after", "after_s", type=DurationType(), default=0.0, help="Wait this time before the first message: 1h."
)
@click.option("--again", is_flag=True, help="Send also messages that an earlier resend contains.")
@click.option("--salt", default="", help="Finish the resend --again that printed this salt and broke off.")
@click.option("--dry-run", is_flag=True, help="Show the number and cost of the messages, and send nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@yes_option
@click.pass_obj
def resend(
    options: CliContext,
    campaign: str,
    states: tuple[str, ...],
    *,
    codes: frozenset[int],
    in_doubt: bool,
    after_s: float,
    again: bool,
    salt: str,
    dry_run: bool,
    as_json: bool,
    yes: bool,
) -> None:
    """Send chosen messages of CAMPAIGN once more, as a new campaign, after showing their number and cost.

    Messages that an earlier resend of CAMPAIGN contains are left out. If the command breaks off, run the command again
    to finish the same resend. The new campaign has the text, values, providers and hours of CAMPAIGN, and a validity
    of the same length.
    """
    if not states and not in_doubt:
        raise click.UsageError("choose messages: --state failed, or --in-doubt")
    if salt and not again:
        raise click.UsageError("--salt needs --again")
    settings = options.settings(Need.LEDGER)
    meant = campaign_meant(options, campaign)
    chosen = frozenset(MessageState[state.upper()] for state in states) | (DOUBTFUL if in_doubt else frozenset())
    if again and not salt and not dry_run:
        salt = secrets.token_hex(4)
        echo(f"resends again; if this command breaks off, finish the resend with --salt {salt}", err=True)
    choice = Choice(states=chosen, codes=codes, again=again, salt=salt)

    async def survey(redis: Redis) -> Survey:
        if in_doubt and (unapplied := await unapplied_reports(redis)):
            raise CommandFailed(f"{unapplied}; then run the command again")
        return await Resender(redis, settings, meant, choice).survey(after_s=after_s)

    async def submit(redis: Redis) -> tuple[ResendResult, CampaignView | None]:
        resender = Resender(redis, settings, meant, choice)
        result = await resender.submit(after_s=after_s, actor=options.actor)
        await warn_without_workers(redis)
        with suppress(RedisError):  # the resend is done, whatever happens to Redis now
            return result, await Queries(redis).campaign(result.campaign)
        return result, None

    expected, view = with_ledger(options, survey, is_long=True, is_first=False), None
    if expected.done:
        result = ResendResult(
            campaign=expected.done.id, plan=expected.done.plan, state=expected.done.state, already_submitted=True
        )
    elif dry_run or not (expected.messages or expected.unfinished):
        _print_survey(expected, choice, settings, as_json=as_json)
        return
    else:
        _ask_or_warn(expected, choice, settings, yes=yes)
        result, view = with_ledger(options, submit, is_long=True, is_first=False)
    if result.warning:
        echo(f"warning: {result.warning}", err=True)
    if result.state is CampaignState.CANCELLED and not result.already_submitted:
        raise CommandFailed(f"campaign {result.campaign} was cancelled during its submit: none of its messages is sent")
    if as_json:
        echo(json.dumps(_result_as_json(result, expected)))
    elif result.already_submitted:
        state = state_in_words(expected.done) if expected.done else result.state.value
        echo(f"already resent as {result.campaign} ({state})")
    else:
        starts = second_in_india(result.plan.start_at_ms / 1000) if result.plan.start_at_ms else "at once"
        if waits := why_not_started(view):
            starts = f"later: {waits}"
        echo(
            f"campaign {result.campaign} resends {counted(result.messages, 'message')} of {expected.parent.id}, "
            f"starts {starts}"
        )


def _ask_or_warn(expected: Survey, choice: Choice, settings: Settings, *, yes: bool) -> None:
    """Ask before a resend; with --yes, print a warning about the messages that would not be sent."""
    if not yes:
        confirm(*_lines(expected, choice, settings))
    elif lines := _suppressed(expected, settings):
        echo(*(f"warning: {line}" for line in lines), err=True)


def _print_survey(expected: Survey, choice: Choice, settings: Settings, *, as_json: bool) -> None:
    if as_json:
        echo(json.dumps(_survey_as_json(expected)))
    else:
        echo_report(*_lines(expected, choice, settings), indent=4)


def _lines(expected: Survey, choice: Choice, settings: Settings) -> list[str]:
    """Return lines that say which messages a resend would send, leave out and suppress."""
    parent = expected.parent
    size = f"{counted(expected.messages, 'message')} in {counted(expected.parts, 'part')}"
    cost = f", costs {format_rupees(expected.price * expected.parts)}" if expected.price else ""
    lines = [f"resends of {parent.id}, {parent.plan.name} from {parent.plan.sender}: {size}{cost} ({choice.words})"]
    if expected.resent_before:
        lines.append(
            f"  left out: {counted(expected.resent_before, 'message')} of earlier resends "
            f"({', '.join(parent.resends)}); --again sends them once more"
        )
    lines += [f"  {line}" for line in _suppressed(expected, settings)]
    if expected.stop_reason:
        lines.append(f"  sender {parent.plan.sender} sends nothing now: {expected.stop_reason}")
    if expected.unfinished:
        lines.append(f"  finishes campaign {expected.unfinished.id}, whose submit broke off")
    if choice.states & DOUBTFUL:
        lines.append("  a person who already got a message in doubt gets it twice")
    if MessageState.NO_REPORT in choice.states:
        lines.append("  a message without a report may have been delivered")
    return lines


def _suppressed(expected: Survey, settings: Settings) -> list[str]:
    """Return for people which messages of a resend would not be sent, or not at once."""
    return list(expected.suppressed.in_words(settings.senders[expected.parent.plan.sender]))


def _survey_as_json(expected: Survey) -> dict[str, object]:
    return {
        "campaign": None,
        "resend_of": expected.parent.id,
        "messages": expected.messages,
        "parts": expected.parts,
        "cost_rupees": str(expected.price * expected.parts) if expected.price else None,
        "resent_before": expected.resent_before,
        "opted_out": expected.suppressed.opted_out,
        "dead_numbers": expected.suppressed.dead,
        "repeated": expected.suppressed.repetitions._asdict(),
    }


def _result_as_json(result: ResendResult, expected: Survey) -> dict[str, object]:
    return _survey_as_json(expected) | {
        "campaign": result.campaign,
        "state": result.state.value,
        "messages": result.messages,
        "already_submitted": result.already_submitted,
    }
