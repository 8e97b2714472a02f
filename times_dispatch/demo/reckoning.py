"""Holds the ledger against the sandbox's own books, message by message."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec

from times_dispatch.ledger.model import CampaignId, CampaignView
from times_dispatch.ledger.queries import MessageView, Queries
from times_dispatch.ledger.states import SENT, MessageState
from times_dispatch.provider.ids import CorrelationIds
from times_dispatch.sandbox.books import Accepted
from times_dispatch.sandbox.entries import number_hash

UNDECIDED = frozenset({MessageState.SENDING, MessageState.IN_DOUBT, MessageState.GIVEN_UP})
"""The ledger does not claim to know whether these were accepted."""

_PAGE = 10_000
_NAMED = 10


class Reckoning(msgspec.Struct, kw_only=True):
    """What the comparison of one campaign came to."""

    campaign: CampaignId
    messages: int = 0
    states: Counter[MessageState] = msgspec.field(default_factory=Counter)
    accepted_twice: int = 0
    """Rows that the provider accepted more than once, under the same id or under two of its attempts."""
    differences: int = 0
    named: list[str] = msgspec.field(default_factory=list)
    """The first differences, by index."""
    undecided: int = 0
    undecided_in_books: int = 0
    """Of these, how many the provider accepted; 0 once every report has come."""
    in_books: int = 0
    """Different ids of the campaign's messages that the provider accepted."""
    let_go_ms: list[int] = msgspec.field(default_factory=list)
    """Epoch milliseconds at which messages were let go (their last attempt), sorted."""

    def differ(self, message: MessageView, what: str) -> None:
        """Note a difference."""
        self.differences += 1
        if len(self.named) < _NAMED:
            self.named.append(f"message {message.index}: {message.record.state.label} in the ledger, {what}")


async def accepted(sandbox_url: str) -> dict[str, Accepted]:
    """Return every id that the sandbox accepted."""
    found: dict[str, Accepted] = {}
    async with httpx.AsyncClient(base_url=sandbox_url, timeout=60, trust_env=False) as client:
        async for page in _pages(client):
            found.update({entry.id: entry for entry in page})
    return found


async def reckon(views: Queries, view: CampaignView, *, ids: CorrelationIds, books: dict[str, Accepted]) -> Reckoning:
    """Compare one campaign's records with the books."""
    reckoning = Reckoning(campaign=view.id)
    async for message in views.messages(view.id):
        record = message.record
        reckoning.messages += 1
        reckoning.states[record.state] += 1
        attempts = (books.get(ids.make(view.id, message.index, attempt)) for attempt in range(record.attempt + 1))
        entries = [entry for entry in attempts if entry]
        reckoning.in_books += len(entries)
        if record.let_go_ms:
            reckoning.let_go_ms.append(view.created_ms + record.let_go_ms)
        if sum(entry.times for entry in entries) > 1:
            reckoning.accepted_twice += 1
        _compare(reckoning, message, entries)
    for state in MessageState:
        if reckoning.states[state] != view.counts[state]:
            reckoning.differences += 1
            reckoning.named.append(f"{state.label}: {reckoning.states[state]} records, counted {view.counts[state]}")
    reckoning.let_go_ms.sort()
    return reckoning


def most_in_a_second(moments_ms: list[int]) -> int:
    """Return the most moments within any second, wherever it begins; *moments_ms* are sorted."""
    most, first = 0, 0
    for last, moment in enumerate(moments_ms):
        while moment - moments_ms[first] >= 1000:
            first += 1
        most = max(most, last - first + 1)
    return most


def _compare(reckoning: Reckoning, message: MessageView, entries: list[Accepted]) -> None:
    record = message.record
    if any(entry.to != number_hash(message.to) for entry in entries):
        reckoning.differ(message, "accepted for another number in the books")
    if record.state in UNDECIDED:
        reckoning.undecided += 1
        reckoning.undecided_in_books += bool(entries)
    elif record.state not in SENT:
        if entries:
            reckoning.differ(message, "accepted in the books")
    elif not entries:
        reckoning.differ(message, "not accepted in the books")
    else:
        events = {entry.event for entry in entries}
        if record.state is MessageState.DELIVERED and "delivered" not in events:
            reckoning.differ(message, "not reported delivered in the books")
        elif record.state is MessageState.FAILED and events != {"failed"}:
            reckoning.differ(message, "not reported failed in the books")
        elif record.state is MessageState.FAILED and str(record.code) not in {entry.code for entry in entries}:
            reckoning.differ(message, "reported with another code in the books")
        elif record.state is MessageState.ACCEPTED and events != {""}:
            reckoning.differ(message, "reported in the books")


async def _pages(client: httpx.AsyncClient) -> AsyncIterator[list[Accepted]]:
    after = 0
    decode: Any = msgspec.json.Decoder(Accepted).decode_lines
    while True:
        answer = await client.get("/sandbox/accepted", params={"after": after})
        page: list[Accepted] = decode(answer.content)
        if not page:
            return
        yield page
        after = page[-1].n
