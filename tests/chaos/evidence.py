"""What is known afterwards: the ledger message by message, the sandbox's journal, the workers' logs, the notes."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from tests.chaos.stage import Notes, Span, Stage
from tests.chaos.watch import Watch
from times_dispatch.demo.reckoning import Reckoning, accepted, reckon
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.model import CampaignId, CampaignView
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.states import MessageState
from times_dispatch.provider.ids import CorrelationIds
from times_dispatch.sandbox.books import CAMPAIGN_CHARACTERS
from times_dispatch.sandbox.entries import Arrival, Entry
from times_dispatch.sandbox.timestamps import seconds

_LAPSED = "leases lapsed"
"""What upkeep logs when it takes batches in whose worker is gone."""


@dataclass(frozen=True)
class Story:
    """One campaign: what was submitted, what the ledger says, and how the books compare."""

    submitted: int
    view: CampaignView
    reckoning: Reckoning
    arrivals_s: list[float]
    """When its pushes reached the sandbox, sorted; seconds since the epoch."""


@dataclass(frozen=True)
class Evidence:
    """All that figures are made from; of a whole run, or of one scenario in it."""

    span: Span
    stories: dict[CampaignId, Story]
    arrivals_s: dict[str, list[float]]
    """The same by sender."""
    accepted_ids: int
    """Different ids of these campaigns that the sandbox accepted."""
    doubted: list[tuple[float, int]]
    """When upkeep took in the batches of lost workers, and how many messages were in doubt for it."""
    notes: Notes
    watch: Watch

    def of(self, span: Span, campaigns: Collection[CampaignId]) -> "Evidence":
        """Narrow it to a stretch of time and the campaigns of it."""
        notes = self.notes
        stories = {campaign: story for campaign, story in self.stories.items() if campaign in campaigns}
        return replace(
            self,
            span=span,
            stories=stories,
            accepted_ids=sum(story.reckoning.in_books for story in stories.values()),
            arrivals_s={
                sender: [at for at in moments if span.holds(at)] for sender, moments in self.arrivals_s.items()
            },
            doubted=[(at, count) for at, count in self.doubted if span.holds(at)],
            notes=replace(
                notes,
                deeds=[(at, deed) for at, deed in notes.deeds if span.holds(at)],
                losses=[loss for loss in notes.losses if span.holds(loss.at_s)],
                campaign_pauses={key: value for key, value in notes.campaign_pauses.items() if key in campaigns},
                sender_pauses={
                    sender: [pause for pause in pauses if span.holds(pause.begin_s)]
                    for sender, pauses in notes.sender_pauses.items()
                },
            ),
        )

    @property
    def messages(self) -> int:
        """How many messages the campaigns have."""
        return sum(story.view.total for story in self.stories.values())

    def count(self, *states: MessageState) -> int:
        """Count the messages in these states, record by record."""
        return sum(story.reckoning.states[state] for story in self.stories.values() for state in states)


async def gather(stage: Stage, watch: Watch) -> Evidence:
    """Read everything; nothing may move any more."""
    redis = connect(stage.stack.redis.url)
    views = Queries(redis)
    ids = CorrelationIds(stage.stack.environment["DISPATCH_ID_KEY"].encode())
    books = await accepted(stage.stack.sandbox_url)
    by_sender: defaultdict[str, list[float]] = defaultdict(list)
    by_campaign: defaultdict[str, list[float]] = defaultdict(list)
    for arrival in _arrivals(stage.journal):
        moment = seconds(arrival.at_ns)
        by_sender[arrival.sender].append(moment)
        by_campaign[arrival.message_id[:CAMPAIGN_CHARACTERS]].append(moment)
    stories = {}
    for campaign, count in stage.sent.items():
        view = await views.campaign(campaign)
        reckoning = await reckon(views, view, ids=ids, books=books)
        stories[campaign] = Story(count, view, reckoning, sorted(by_campaign[campaign]))
    await redis.aclose()
    return Evidence(
        span=Span(0.0),
        stories=stories,
        arrivals_s={sender: sorted(moments) for sender, moments in by_sender.items()},
        accepted_ids=len(books),
        doubted=sorted(doubt for name in stage.stack.worker_names for doubt in _doubts(stage.process(name).log)),
        notes=stage.notes,
        watch=watch,
    )


def _arrivals(journal: Path) -> Iterator[Arrival]:
    decode = msgspec.json.Decoder(Entry).decode
    with journal.open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n") and isinstance(entry := decode(line), Arrival):
                yield entry


def _doubts(log: Path) -> Iterator[tuple[float, int]]:
    with log.open("rb") as lines:
        for line in lines:
            if _LAPSED.encode() not in line:
                continue
            told: dict[str, Any] = msgspec.json.decode(line)
            yield datetime.fromisoformat(told["timestamp"]).timestamp(), told["in_doubt"]
