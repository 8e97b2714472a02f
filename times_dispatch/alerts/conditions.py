"""Says which conditions hold, and what happened since the last look: one line of text each, without phone numbers."""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from times_dispatch.alerts.observation import Observation
from times_dispatch.ledger.alerts import AlertKind
from times_dispatch.ledger.model import CampaignView
from times_dispatch.ledger.states import CampaignState, MessageState
from times_dispatch.status.roles import ROLES, absence
from times_dispatch.visible_text import visible

_LONG_NUMBER: Final = re.compile(r"[+(]*\d(?:[ ().-]{0,2}\d){6,}")
_MAX_FOREIGN: Final = 200
_VITAL: Final = tuple(kind for kind, role in ROLES.items() if role.is_vital)


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is so now, or that happened once."""

    kind: AlertKind
    subject: str
    """What the condition is about, so that the same condition is known again: ``TIMESM:times``."""
    sender: str = ""
    """Empty if the condition is about the whole deployment."""
    text: str
    """One line for people."""

    @property
    def id(self) -> str:
        """Return the id of the alert."""
        return f"{self.kind}:{self.subject}"


def foreign(text: str) -> str:
    """Return a text that a person or a provider wrote, on one line and without anything that may be a phone number."""
    return _LONG_NUMBER.sub("…", visible(text))[:_MAX_FOREIGN]


def conditions(now: Observation) -> list[Condition]:
    """Return the conditions that hold now."""
    return [*_missing_processes(now), *_braked_campaigns(now), *_braked_providers(now)]


def events(now: Observation) -> list[Condition]:
    """Return what happened since the last look."""
    return [
        Condition(
            kind=AlertKind.FINISHED,
            subject=f"{view.id}:{view.finished_ms}",
            sender=view.plan.sender,
            text=f"{_campaign(view)} is finished: {_results(view)}",
        )
        for view in now.finished
    ]


def _missing_processes(now: Observation) -> Iterator[Condition]:
    for kind in _VITAL:
        if not now.processes.alive(kind):
            role = ROLES[kind]
            since = absence(kind, now.processes.kinds_seen_ms.get(kind, 0), now_s=now.now_ms / 1000)
            yield Condition(
                kind=AlertKind.NO_WORKER,
                subject=kind.value,
                text=f"{since}: {role.without}; start one: {role.start}",
            )


def _braked_campaigns(now: Observation) -> Iterator[Condition]:
    for view in now.live:
        if view.state is CampaignState.BRAKED:
            reason = f": {foreign(view.reason)}" if view.reason else ""
            yield Condition(
                kind=AlertKind.BRAKED,
                subject=f"campaign:{view.id}",
                sender=view.plan.sender,
                text=f"{_campaign(view)} is braked{reason}; when that is mended: dispatch resume {view.id}",
            )


def _braked_providers(now: Observation) -> Iterator[Condition]:
    for sender in now.senders:
        for provider in sender.unavailable:
            if provider.brake:
                yield Condition(
                    kind=AlertKind.BRAKED,
                    subject=f"provider:{sender.id}:{provider.provider}",
                    sender=sender.id,
                    text=f"provider {provider.provider} is braked for sender {sender.id}: {foreign(provider.brake)}; "
                    f"when that is mended: dispatch sender resume {sender.id}",
                )


def _campaign(view: CampaignView) -> str:
    return f"campaign {view.id} ({foreign(view.plan.name)}) of sender {view.plan.sender}"


def _results(view: CampaignView) -> str:
    """Return how many messages are in each state, without those in which there is none."""
    words = {MessageState.ACCEPTED: "accepted, without a report yet", MessageState.IN_DOUBT: "in doubt"}
    counts = [
        f"{number:,} {words.get(state, state.label.replace('_', ' '))}"
        for state, number in view.counts.items()
        if number
    ]
    return ", ".join(counts) or "it has no messages"
