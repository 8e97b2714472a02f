"""Pausing and resuming one sender or all senders: ``dispatch pause --all``, ``dispatch sender pause``.

A paused sender sends no message of its campaigns, nor of campaigns that are submitted later. The campaigns keep their
own states: a campaign that a person paused stays paused when its sender is resumed.
"""

from collections.abc import Sequence

import msgspec
from redis.asyncio import Redis

from producers.cli import CliContext
from producers.cli.confirmation import campaign_lines, confirm, unsent_of
from producers.cli.ledger import notify_workers, settings_if_valid, with_ledger
from producers.cli.output import echo, echo_report
from producers.errors import CommandFailed, InputInvalid
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.errors import CampaignDamaged
from times_dispatch.ledger.model import CampaignView, SenderId
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.sender_view import SenderView
from times_dispatch.plurals import counted
from times_dispatch.similar_names import similar_name


class SenderCampaigns(msgspec.Struct, frozen=True):
    """A sender and its live campaigns."""

    sender: SenderView
    campaigns: list[CampaignView]
    damaged: list[CampaignDamaged]


def pause_senders(options: CliContext, name: str | None, *, reason: str = "", yes: bool = False) -> None:
    """Pause a sender, or all senders, and list their live campaigns; ask first if there are several campaigns.

    Args:
        options: the options of the command line.
        name: the sender; None is every sender of the ledger and of the settings.
        reason: is shown wherever a campaign of a paused sender is listed; replaces an earlier reason.
        yes: whether to pause without asking.

    Raises:
        InputInvalid: the ledger has no such sender, or nobody can be asked.
        click.Abort: the person answered no.
    """
    configured = configured_senders(options)
    if configured is None:
        if name is None:
            echo("senders that never had a campaign are not paused, because only the settings name them", err=True)
        configured = []

    async def change(redis: Redis) -> list[SenderCampaigns]:
        senders = await _named(redis, name, configured)
        control = Control(redis, actor=options.actor)
        for sender in senders:
            await control.pause_sender(sender, reason=reason)
        return await _with_campaigns(redis, senders)

    if not yes:
        _ask("pauses", with_ledger(options, lambda redis: _read(redis, name, configured)))
    paused = with_ledger(options, change)
    for concerned in paused:
        echo_report(f"sender {concerned.sender.id} is paused", *_lines(concerned), indent=4)
    if not paused:
        echo("neither the ledger nor the settings have a sender")


def resume_senders(options: CliContext, name: str | None, *, yes: bool = False) -> None:
    """Resume a sender, or all senders that are paused, and list their live campaigns; ask if there are several.

    Args:
        options: the options of the command line.
        name: the sender, which is resumed also if it stopped itself; None is every sender that a person paused.
        yes: whether to resume without asking.

    Raises:
        InputInvalid: the ledger has no such sender, or nobody can be asked.
        CommandFailed: a sender was paused or stopped itself again during the command, and stays stopped.
        click.Abort: the person answered no.
    """
    configured = configured_senders(options) or []
    senders = with_ledger(options, lambda redis: _read(redis, name, configured, only_paused=name is None))
    if not senders:
        echo("no sender is paused")
        return
    if not yes:
        _ask("resumes", senders)

    async def change(redis: Redis) -> tuple[list[SenderCampaigns], list[SenderId]]:
        control = Control(redis, actor=options.actor)
        resumed, stopped_again = list[SenderId](), list[SenderId]()
        for concerned in senders:
            if await control.resume_sender(concerned.sender.id):
                await notify_workers(options, redis, concerned.sender.id)
                resumed.append(concerned.sender.id)
            else:
                stopped_again.append(concerned.sender.id)
        return await _with_campaigns(redis, resumed), stopped_again

    going_on, stopped_again = with_ledger(options, change)
    for concerned in going_on:
        echo_report(f"sender {concerned.sender.id} goes on", *_lines(concerned), indent=4)
    if stopped_again:
        names = ", ".join(stopped_again)
        raise CommandFailed(
            f"sender {names} was paused again, or stopped itself, during this command: see dispatch sender list"
        )


async def known_sender(redis: Redis, name: str, configured: Sequence[SenderId] = ()) -> SenderId:
    """Return a name as a sender of the ledger or of *configured*; raise InputInvalid if neither has the name."""
    known = await Queries(redis).senders()
    if SenderId(name) not in (*known, *configured):
        similar = similar_name(name, (*known, *configured))
        hint = f"; did you mean {similar}?" if similar else f"; it has {', '.join(known) or 'none'}"
        raise InputInvalid(f"sender {name}: the ledger has no sender of this name{hint}")
    return SenderId(name)


async def note_unknown_sender(redis: Redis, name: str) -> None:
    """Print a note on stderr, with the most similar name, if the ledger has no sender of a name."""
    try:
        await known_sender(redis, name)
    except InputInvalid as unknown:
        echo(f"note: {unknown}", err=True)


def _ask(verb: str, senders: Sequence[SenderCampaigns]) -> None:
    """Ask before an action on several campaigns."""
    campaigns = [view for concerned in senders for view in concerned.campaigns]
    if len(campaigns) + sum(len(concerned.damaged) for concerned in senders) < 2:
        return
    names = ", ".join(concerned.sender.id for concerned in senders)
    unsent = counted(unsent_of(campaigns), "unsent message")
    lines = [line for concerned in senders for line in _lines(concerned)]
    confirm(f"{verb} sender {names}: {counted(len(campaigns), 'live campaign')} with {unsent}", *lines)


def configured_senders(options: CliContext) -> list[SenderId] | None:
    """Return the senders of the settings; None if the settings have a mistake.

    A pause of all senders also stops senders that never had a campaign, and only the settings name such senders.
    """
    settings = settings_if_valid(options)
    return None if settings is None else [SenderId(name) for name in settings.senders]


async def _named(redis: Redis, name: str | None, configured: Sequence[SenderId] = ()) -> list[SenderId]:
    if name is None:
        return sorted({*await Queries(redis).senders(), *configured})
    return [await known_sender(redis, name, configured)]


async def _read(
    redis: Redis, name: str | None, configured: Sequence[SenderId] = (), *, only_paused: bool = False
) -> list[SenderCampaigns]:
    senders = await _with_campaigns(redis, await _named(redis, name, configured))
    return [concerned for concerned in senders if concerned.sender.paused or not only_paused]


async def _with_campaigns(redis: Redis, senders: Sequence[SenderId]) -> list[SenderCampaigns]:
    queries, read = Queries(redis), list[SenderCampaigns]()
    for sender in senders:
        damaged = list[CampaignDamaged]()
        campaigns = await queries.live(sender, damaged=damaged)
        read.append(SenderCampaigns(await queries.sender(sender), campaigns, damaged))
    return read


def _lines(concerned: SenderCampaigns) -> list[str]:
    damaged = [f"  {damage.campaign}  damaged in the ledger: {damage.what}" for damage in concerned.damaged]
    return [*campaign_lines(concerned.campaigns), *damaged]
