"""``dispatch pause``, ``resume``, ``cancel``, ``budget`` and ``resolve``: control a campaign for all workers."""

from collections.abc import Callable, Sequence
from typing import Literal

import click
from redis.asyncio import Redis

from producers.cli import CliContext, completion
from producers.cli.confirmation import about_cost, campaign_lines, confirm, unsent_of, yes_option
from producers.cli.ledger import campaign_meant, campaigns_meant, notify_workers, with_ledger
from producers.cli.output import echo
from producers.cli.sender_control import pause_senders, resume_senders
from producers.errors import CommandFailed
from times_dispatch.ledger.campaigns.words import state_in_words
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.errors import CampaignDamaged
from times_dispatch.ledger.model import CampaignId, CampaignView
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.reports.report_backlog import UnappliedReports, unapplied_reports
from times_dispatch.ledger.sender_view import SenderView
from times_dispatch.ledger.states import CampaignState, MessageState
from times_dispatch.plurals import counted

_BY_HAND = "by hand"
"""The reason of a pause for which the person gave none; it replaces no other reason."""
_HINTS_DURING_SUBMIT = {
    CampaignState.PAUSED: "pause it after the submit has ended, or cancel it: dispatch cancel {}",
    CampaignState.RUNNING: "it runs by itself after the submit has ended",
}
"""Advice about a campaign that is still being submitted, by the state that was wanted."""


@click.command()
@click.argument("campaigns", nargs=-1, shell_complete=completion.campaigns)
@click.option(
    "--sender",
    "sender_name",
    default="",
    shell_complete=completion.senders,
    help="Pause this sender, with all its campaigns.",
)
@click.option("--all", "all_senders", is_flag=True, help="Pause every sender: nothing is sent any more.")
@click.option(
    "--reason", default="", help="The reason, shown wherever the campaign is listed; replaces an earlier reason."
)
@yes_option
@click.pass_obj
def pause(
    options: CliContext, campaigns: tuple[str, ...], *, sender_name: str, all_senders: bool, reason: str, yes: bool
) -> None:
    """Pause CAMPAIGNS: no push starts later than a second after this command has ended.

    With --sender or --all whole senders are paused, also for campaigns that are submitted later. The command needs only
    Redis, and no valid settings file. The command asks before it pauses several campaigns.
    """
    _check_target(campaigns, sender_name, all_senders=all_senders)
    if not campaigns:
        pause_senders(options, sender_name or None, reason=reason, yes=yes)
        return
    ids = campaigns_meant(options, campaigns)
    if len(ids) > 1 and not yes:
        _ask("pauses", options, ids)

    def change(id_: CampaignId) -> bool:
        return _change_state(options, id_, ControlAction.PAUSE, reason or _BY_HAND, CampaignState.PAUSED)

    _change_all(ids, change)


@click.command()
@click.argument("campaigns", nargs=-1, shell_complete=completion.campaigns)
@click.option(
    "--sender",
    "sender_name",
    default="",
    shell_complete=completion.senders,
    help="Resume this sender, also if it stopped itself.",
)
@click.option("--all", "all_senders", is_flag=True, help="Resume every sender that is paused.")
@yes_option
@click.pass_obj
def resume(options: CliContext, campaigns: tuple[str, ...], *, sender_name: str, all_senders: bool, yes: bool) -> None:
    """Resume CAMPAIGNS where they stopped, also if they stopped themselves; exit with 1 if one is held back still.

    With --sender or --all whole senders are resumed; a campaign that was paused by itself stays paused. The command
    asks before it resumes several campaigns.
    """
    _check_target(campaigns, sender_name, all_senders=all_senders)
    if not campaigns:
        resume_senders(options, sender_name or None, yes=yes)
        return
    ids = campaigns_meant(options, campaigns)
    if len(ids) > 1 and not yes:
        _ask("resumes", options, ids)
    _change_all(ids, lambda id_: _resume(options, id_))


def _resume(options: CliContext, id_: CampaignId) -> bool:
    """Resume a campaign and print its new state; return whether messages can be sent now."""

    async def change(redis: Redis) -> tuple[bool, CampaignView, SenderView]:
        queries = Queries(redis)
        sender = await queries.sender_of(id_)
        changed, _ = await Control(redis, actor=options.actor).campaign(sender, id_, ControlAction.RESUME)
        await notify_workers(options, redis, sender)
        return changed, await queries.campaign(id_), await queries.sender(sender)

    changed, view, sender = with_ledger(options, change)
    if view.state is CampaignState.BRAKED or not view.counters_add_up:
        echo(f"campaign {id_} is {view.state}: {view.reason}", err=True)
        return False
    if view.state is CampaignState.RUNNING and sender.waits_for_resume(view.plan.chain):
        echo(f"campaign {id_} is running, but nothing is sent: {view.reason}", err=True)
        return False
    if view.state is CampaignState.RUNNING and view.reason:
        echo(f"campaign {id_} is {state_in_words(view)}: {view.reason}")
        return True
    return _print_state(id_, changed, view.state, wanted=CampaignState.RUNNING)


@click.command()
@click.argument("campaigns", nargs=-1, required=True, shell_complete=completion.campaigns)
@yes_option
@click.pass_obj
def cancel(options: CliContext, campaigns: tuple[str, ...], *, yes: bool) -> None:
    """Cancel CAMPAIGNS for good: unsent messages are cancelled, messages in doubt are not sent again.

    The command asks before it cancels messages, and needs only Redis.
    """
    ids = campaigns_meant(options, campaigns)
    if not yes and (lines := [line for id_ in ids for line in _cancel_in_words(options, id_)]):
        confirm(*lines)
    _change_all(ids, lambda id_: _change_state(options, id_, ControlAction.CANCEL, _BY_HAND, CampaignState.CANCELLED))


def _cancel_in_words(options: CliContext, campaign: CampaignId) -> list[str]:
    """Return lines that say what a cancel would do; no line if the cancel would change no message."""
    try:
        view = with_ledger(options, lambda redis: Queries(redis).campaign(campaign))
    except CampaignDamaged as damage:
        return [f"cancels campaign {campaign} for good: its messages cannot be counted: {damage.what}"]
    in_doubt = view.counts[MessageState.IN_DOUBT]
    if view.state is CampaignState.CANCELLED or not (view.unsent or in_doubt or view.retries_waiting):
        return []
    lines = ["cancels for good:", *campaign_lines([view])]
    if view.unsent:
        lines.append(f"  not sent: {counted(view.unsent, 'message')}{about_cost(options, view, view.unsent)}")
    if in_doubt:
        lines.append(f"  in doubt and never sent again: {counted(in_doubt, 'message')}")
    if view.retries_waiting:
        lines.append(f"  failed and not tried again: {counted(view.retries_waiting, 'message')}")
    return lines


@click.command()
@click.argument("campaign", shell_complete=completion.campaigns)
@click.argument("parts", type=click.IntRange(min=0))
@click.pass_obj
def budget(options: CliContext, campaign: str, parts: int) -> None:
    """Set the SMS PARTS that CAMPAIGN may hand to the provider in all, from the next block on; 0 is no limit.

    A campaign that stopped itself because its budget was spent goes on after "dispatch resume".
    """
    id_ = campaign_meant(options, campaign)

    async def change(redis: Redis) -> int:
        sender = await Queries(redis).sender_of(id_)
        return await Control(redis, actor=options.actor).set_budget(sender, id_, parts)

    used = with_ledger(options, change, repeats=False)
    if not parts:
        echo(f"campaign {id_} has no budget")
        return
    echo(f"campaign {id_} may use {counted(parts, 'part')}")
    if used >= parts:
        echo(f"campaign {id_} has used {counted(used, 'part')} already: it stops before its next message", err=True)


@click.command()
@click.argument("campaign", shell_complete=completion.campaigns)
@click.option(
    "--as",
    "decision",
    type=click.Choice(["sent", "resend"]),
    required=True,
    help="sent: count the messages as accepted, a report may still come. resend: send them again, at your own risk.",
)
@click.option("--force", is_flag=True, help="Decide although reports about these messages may be waiting.")
@yes_option
@click.pass_obj
def resolve(options: CliContext, campaign: str, *, decision: Literal["sent", "resend"], force: bool, yes: bool) -> None:
    """Decide about all messages of CAMPAIGN that are in doubt now; ask before they are sent again.

    The command refuses while reports wait for a reconciler, or while no reconciler runs: a report may say that a
    message was delivered. Messages to be sent again wait for "dispatch resume" if the campaign is paused or stopped
    itself.
    """
    id_ = campaign_meant(options, campaign)

    async def view_if_decidable(redis: Redis) -> tuple[CampaignView, UnappliedReports | None]:
        view = await Queries(redis).campaign(id_)
        if (unapplied := await unapplied_reports(redis)) and not force:
            raise _unapplied(unapplied)
        return view, unapplied

    async def decide(redis: Redis) -> tuple[int, CampaignState]:
        queries = Queries(redis)
        sender = await queries.sender_of(id_)
        if unapplied := await unapplied_reports(redis):
            if not force:
                raise _unapplied(unapplied)
            echo(f"ignored: {unapplied}", err=True)
        decided = await Control(redis, actor=options.actor).resolve(sender, id_, decision)
        return decided, (await queries.campaign(id_)).state

    if decision == "resend" and not yes:
        view, ignored = with_ledger(options, view_if_decidable)
        if in_doubt := view.counts[MessageState.IN_DOUBT]:
            confirm(
                f"sends again: {counted(in_doubt, 'message')} in doubt{about_cost(options, view, in_doubt)}",
                *campaign_lines([view]),
                "  a person who already got such a message gets it twice",
                *([f"  ignores: {ignored}"] if ignored else []),
            )
    decided, state = with_ledger(options, decide)
    messages = counted(decided, "message in doubt is", "messages in doubt are")
    message = f"{messages} now {'accepted' if decision == 'sent' else 'pending again'}"
    if decision == "resend" and decided and state in {CampaignState.PAUSED, CampaignState.BRAKED}:
        message += f"; campaign {id_} is {state}: the messages wait for dispatch resume {id_}"
    echo(message)


def _unapplied(unapplied: UnappliedReports) -> CommandFailed:
    return CommandFailed(f"{unapplied}; then run the command again, or decide without these reports with --force")


def _ask(verb: str, options: CliContext, campaigns: Sequence[CampaignId]) -> None:
    """Ask before several campaigns are paused or resumed."""

    async def read(redis: Redis) -> tuple[list[CampaignView], list[str]]:
        views, damaged = list[CampaignView](), list[str]()
        for id_ in campaigns:
            try:
                views.append(await Queries(redis).campaign(id_))
            except CampaignDamaged as damage:
                damaged.append(f"  {id_}  damaged in the ledger: {damage.what}")
        return views, damaged

    views, damaged = with_ledger(options, read)
    unsent = counted(unsent_of(views), "unsent message")
    confirm(f"{verb} {len(campaigns)} campaigns with {unsent}", *campaign_lines(views), *damaged)


def _change_all(campaigns: Sequence[CampaignId], change: Callable[[CampaignId], bool]) -> None:
    """Change every campaign, also after one that cannot be changed; exit with 1 if there was such a campaign."""
    are_changed = [change(id_) for id_ in campaigns]
    if not all(are_changed):
        raise SystemExit(1)


def _check_target(campaigns: Sequence[str], sender_name: str, *, all_senders: bool) -> None:
    """Raise UsageError unless exactly one kind of target is named: campaigns, a sender or all senders."""
    if bool(campaigns) + bool(sender_name) + all_senders != 1:
        raise click.UsageError("name campaigns, or name a sender with --sender, or give --all")


def _change_state(
    options: CliContext, campaign: CampaignId, action: ControlAction, reason: str, wanted: CampaignState
) -> bool:
    """Change a campaign's state and print the new state; return whether the campaign is in the wanted state.

    Args:
        options: the options of the command line.
        campaign: the id of the campaign.
        action: the action to take.
        reason: is stored with the campaign.
        wanted: the state that the action leads to.
    """

    async def change(redis: Redis) -> tuple[bool, CampaignState]:
        sender = await Queries(redis).sender_of(campaign)
        return await Control(redis, actor=options.actor).campaign(
            sender, campaign, action, reason=reason, replaces_reason=reason != _BY_HAND
        )

    return _print_state(campaign, *with_ledger(options, change), wanted=wanted)


def _print_state(campaign: CampaignId, changed: bool, state: CampaignState, *, wanted: CampaignState) -> bool:
    if changed or state is wanted:
        echo(f"campaign {campaign} is {state}")
        return True
    if state is CampaignState.SUBMITTING:
        hint = _HINTS_DURING_SUBMIT[wanted].format(campaign)
        problem = f"is still being submitted, so none of its messages is sent yet: {hint}"
    else:
        done = "resumed" if wanted is CampaignState.RUNNING else wanted
        problem = f"is {state}: it cannot be {done} any more"
    echo(f"campaign {campaign} {problem}", err=True)
    return False
