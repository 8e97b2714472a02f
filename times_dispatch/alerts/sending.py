"""Conditions that stop or delay messages: missing processes, brakes, back-offs, budgets, Redis' memory and clock."""

from collections.abc import Iterator, Sequence
from typing import Final

from times_dispatch.alerts.condition import BACKLOG, Condition, campaign_in_words, masked_line
from times_dispatch.alerts.observation import Observation
from times_dispatch.ledger.monitoring.alerts import AlertKind
from times_dispatch.ledger.monitoring.heartbeats import ProcessKind
from times_dispatch.ledger.redis_clock import clocks_agree
from times_dispatch.ledger.states import CampaignState
from times_dispatch.plurals import counted
from times_dispatch.settings.tables.alerts import AlertSettings
from times_dispatch.settings.values.durations import format_duration
from times_dispatch.status.roles import ROLES, absence

_VITAL: Final = tuple(kind for kind, role in ROLES.items() if role.is_vital)
_OF_REPORTS: Final = (ProcessKind.RECEIVER, ProcessKind.RECONCILER)
_MAX_HOSTS: Final = 5
"""The number of hosts that one text names; whoever may write heartbeats can make up a thousand of them."""


def missing_processes(now: Observation) -> Iterator[Condition]:
    """Yield a condition for each kind of process that is needed and does not run."""
    for kind in _VITAL:
        if not now.processes.alive(kind):
            yield Condition(kind=AlertKind.NO_WORKER, subject=kind.value, text=_absence(now, kind))


def reports_behind(now: Observation, settings: AlertSettings) -> Iterator[Condition]:
    """Yield a condition for reports that wait too long, and for missing receivers and reconcilers."""
    for kind in _OF_REPORTS:
        # A deployment may have no callbacks: a process is missing only if it ran before.
        if now.processes.kinds_seen_ms.get(kind) and not now.processes.alive(kind):
            yield Condition(kind=AlertKind.REPORTS_BEHIND, subject=kind.value, text=_absence(now, kind))
    if now.backlog.oldest_s >= settings.reports_behind_after_s:
        yield Condition(
            kind=AlertKind.REPORTS_BEHIND,
            subject=BACKLOG,
            text=f"{counted(now.backlog.entries, 'post of delivery reports waits', 'posts of delivery reports wait')}, "
            f"the oldest for {format_duration(now.backlog.oldest_s)}: start reconcilers",
        )


def forwarding_behind(now: Observation, settings: AlertSettings) -> Iterator[Condition]:
    """Yield a condition if copies of reports wait too long for the system to which they are forwarded."""
    if now.forward.oldest_s >= settings.forwarding_behind_after_s:
        yield Condition(
            kind=AlertKind.FORWARDING_BEHIND,
            subject="forward",
            text=f"{counted(now.forward.events, 'copy of a report waits', 'copies of reports wait')} to be forwarded, "
            f"the oldest for {format_duration(now.forward.oldest_s)}: look at the other system, "
            "and whether reconcilers run",
        )


def braked_campaigns(now: Observation) -> Iterator[Condition]:
    """Yield a condition for each braked campaign."""
    for view in now.live:
        if view.state is CampaignState.BRAKED:
            reason = f": {masked_line(view.reason)}" if view.reason else ""
            yield Condition(
                kind=AlertKind.BRAKED,
                subject=f"campaign:{view.id}",
                sender=view.plan.sender,
                text=f"{campaign_in_words(view)} is braked{reason}; when that is fixed: dispatch resume {view.id}",
            )


def unavailable_providers(now: Observation) -> Iterator[Condition]:
    """Yield a condition for each provider that is braked or silent for a sender, or from which a sender backs off."""
    for sender in now.senders:
        for provider in sender.unavailable:
            if provider.brake:
                yield Condition(
                    kind=AlertKind.BRAKED,
                    subject=f"provider:{sender.id}:{provider.provider}",
                    sender=sender.id,
                    text=f"provider {provider.provider} is braked for sender {sender.id}: "
                    f"{masked_line(provider.brake)}; when that is fixed: dispatch sender resume {sender.id}",
                )
            elif provider.silent_since_ms and not provider.backs_off:
                yield Condition(
                    kind=AlertKind.SILENCE,
                    subject=f"{sender.id}:{provider.provider}",
                    sender=sender.id,
                    text=f"promotional messages of sender {sender.id} are held back from provider {provider.provider}: "
                    f"{masked_line(provider.silent_why)}; look at the receiver, the proxy before it and the "
                    "provider's dashboard; they go on by themselves when reports come, or at once with: "
                    f"dispatch sender resume {sender.id}",
                )
            elif provider.backs_off:
                yield Condition(
                    kind=AlertKind.PROVIDER_AWAY,
                    subject=f"{sender.id}:{provider.provider}",
                    sender=sender.id,
                    text=f"sender {sender.id} backs off from provider {provider.provider}: "
                    f"{masked_line(provider.backing_off_why)}; sending goes on by itself when the provider is back",
                )


def spent_budgets(now: Observation, settings: AlertSettings) -> Iterator[Condition]:
    """Yield a condition for each live campaign whose budget, and each sender whose daily cap, is nearly spent."""
    for view in now.live:
        use = now.budgets.get(view.id)
        if use and use.parts_out >= settings.budget_share * use.max_parts:
            yield Condition(
                kind=AlertKind.BUDGET,
                subject=f"campaign:{view.id}",
                sender=view.plan.sender,
                text=f"{campaign_in_words(view)} has spent {use.parts_out / use.max_parts:.0%} of its budget of "
                f"{counted(use.max_parts, 'part')}; raise it with: dispatch budget {view.id}",
            )
    for sender in now.senders:
        if sender.max_parts_per_day and sender.parts_today >= settings.budget_share * sender.max_parts_per_day:
            yield Condition(
                kind=AlertKind.BUDGET,
                subject=f"sender:{sender.id}",
                sender=sender.id,
                text=f"sender {sender.id} has spent {sender.parts_today / sender.max_parts_per_day:.0%} of its "
                f"{counted(sender.max_parts_per_day, 'part')} of today: "
                "messages beyond them wait until midnight in India; "
                "to send more today, raise max_parts_per_day or max_money_per_day in the settings",
            )


def full_memory(now: Observation, settings: AlertSettings) -> Iterator[Condition]:
    """Yield a condition if Redis is nearly full."""
    if now.memory.share >= settings.memory_share:
        yield Condition(
            kind=AlertKind.MEMORY,
            subject="redis",
            text=f"Redis uses {now.memory.share:.0%} of its memory: raise maxmemory before reports and campaigns are "
            "refused",
        )


def differing_clocks(now: Observation) -> Iterator[Condition]:
    """Yield a condition if Redis' clock is wrong for this host, and another for the hosts with a different clock."""
    if now.clock_warnings:
        yield Condition(kind=AlertKind.CLOCKS, subject="redis", text="; ".join(now.clock_warnings))
    alive = [process for process in now.processes.processes if process.is_alive]
    if hosts := sorted({process.record.host for process in alive if not clocks_agree(process.ahead_s)}):
        yield Condition(
            kind=AlertKind.CLOCKS,
            subject="hosts",
            text=f"the clocks of Redis and of {_in_words(hosts)} differ by more than a minute: set the wrong clock",
        )


def _in_words(hosts: Sequence[str]) -> str:
    more = [counted(len(hosts) - _MAX_HOSTS, "more host")] if len(hosts) > _MAX_HOSTS else []
    return ", ".join([*map(masked_line, hosts[:_MAX_HOSTS]), *more])


def _absence(now: Observation, kind: ProcessKind) -> str:
    since = absence(kind, now.processes.kinds_seen_ms.get(kind, 0), now_s=now.now_ms / 1000)
    return f"{since}: {ROLES[kind].without}; start one: {ROLES[kind].start}"
