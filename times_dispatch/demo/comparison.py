"""Compares the ledger's records of a campaign with the sandbox's own books, message by message."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec

from times_dispatch.ledger.model import CampaignId, CampaignView
from times_dispatch.ledger.queries import MessageView, Queries
from times_dispatch.ledger.states import SENT, MessageState
from times_dispatch.provider.correlation_ids import CorrelationIds
from times_dispatch.sandbox.bookkeeping.books import Accepted
from times_dispatch.sandbox.bookkeeping.entries import number_hash

UNDECIDED = frozenset({MessageState.SENDING, MessageState.IN_DOUBT, MessageState.GIVEN_UP})
"""The states of messages of which the ledger does not know whether the provider accepted them."""

_WITHOUT_REPORT = frozenset({MessageState.ACCEPTED, MessageState.NO_REPORT})
"""The states of messages without a report about the last attempt."""
_MAX_EXAMPLES = 10


class BookTotals(msgspec.Struct, kw_only=True):
    """The sums over a campaign's messages in the books."""

    sent: int = 0
    """The number of messages with an accepted attempt."""
    delivered: int = 0
    failed: Counter[int] = msgspec.field(default_factory=Counter)
    """The number of messages that failed and were never delivered, by code."""
    parts: int = 0
    """The number of SMS parts of all accepted attempts."""
    clicked: int = 0
    """The number of clicks that were acknowledged."""
    clickers: int = 0
    """The number of messages with a click."""

    def add(self, entries: list[Accepted], code: int, *, is_open: bool) -> None:
        """Count a message.

        Args:
            entries: the accepted attempts of the message, not empty.
            code: the code in the message's record, which counts if the books have the same code.
            is_open: whether the message waits for the report of an attempt that the books do not have.
        """
        self.sent += 1
        self.add_parts(entries)
        clicks = sum(entry.clicked for entry in entries)
        self.clicked += clicks
        self.clickers += clicks > 0
        events = {entry.event for entry in entries}
        if "delivered" in events:
            self.delivered += 1
        elif events == {"failed"} and not is_open:
            codes = [int(entry.code) for entry in entries]
            self.failed[code if code in codes else codes[0]] += 1

    def add_parts(self, entries: list[Accepted]) -> None:
        """Count the SMS parts of a message's accepted attempts."""
        self.parts += sum(entry.parts * entry.times for entry in entries)


class Comparison(msgspec.Struct, kw_only=True):
    """The result of comparing one campaign with the books."""

    campaign: CampaignId
    messages: int = 0
    states: Counter[MessageState] = msgspec.field(default_factory=Counter)
    accepted_twice: int = 0
    """The number of messages that the provider accepted twice, under the same id or under the ids of two attempts.

    A second try after an attempt that failed does not count.
    """
    differences: int = 0
    examples: list[str] = msgspec.field(default_factory=list)
    """Descriptions of the first differences, by message index, and of all differences between states and counters."""
    undecided: int = 0
    """The number of messages in one of the states ``UNDECIDED``."""
    undecided_in_books: int = 0
    """The number of undecided messages that the provider accepted; 0 once every report has arrived."""
    in_books: int = 0
    """The number of different ids of the campaign's messages that the provider accepted."""
    totals: BookTotals = msgspec.field(default_factory=BookTotals)
    """The sums over the campaign's messages in the books."""
    sent_ms: list[int] = msgspec.field(default_factory=list)
    """Epoch milliseconds at which the last attempt of each message was sent, sorted."""

    def add_difference(self, message: MessageView, in_books: str) -> None:
        """Count a difference, and keep the description if it is one of the first."""
        self.differences += 1
        if len(self.examples) < _MAX_EXAMPLES:
            self.examples.append(f"message {message.index}: {message.record.state.label} in the ledger, {in_books}")


async def fetch_books(sandbox_url: str) -> dict[str, Accepted]:
    """Return all accepted messages in the sandbox's books, by id."""
    books: dict[str, Accepted] = {}
    async with httpx.AsyncClient(base_url=sandbox_url, timeout=60, trust_env=False) as client:
        async for page in _pages(client):
            books.update({entry.id: entry for entry in page})
    return books


async def compare(
    queries: Queries, view: CampaignView, *, ids: CorrelationIds, books: dict[str, Accepted]
) -> Comparison:
    """Compare the records of one campaign with the books."""
    comparison = Comparison(campaign=view.id)
    async for lane, message in _messages(queries, view):
        record = message.record
        comparison.messages += 1
        comparison.states[record.state] += 1
        # The record names the last attempt that the ledger knows; one more attempt may have been pushed.
        attempts = [books.get(ids.make(lane.id, message.index, attempt)) for attempt in range(record.attempt + 2)]
        entries = [entry for entry in attempts if entry]
        comparison.in_books += len(entries)
        is_tried_again = bool(view.plan.retry) and _failed_before(attempts[: record.attempt], entries)
        is_open = is_tried_again and _ended_doubt(record.state, entries)
        if is_tried_again and record.state in UNDECIDED:
            # The message counts by its second try, and it is unknown whether the second try was accepted.
            comparison.totals.add_parts(entries)
        elif entries:
            comparison.totals.add(entries, record.code, is_open=is_open)
        if record.sent_ms:
            comparison.sent_ms.append(lane.created_ms + record.sent_ms)
        failed = [entry for entry in entries[:-1] if view.plan.retry and entry.failed]
        if sum(entry.times for entry in entries) - len(failed) > 1:
            comparison.accepted_twice += 1
        _compare_message(comparison, message, entries, is_tried_again=is_tried_again, is_open=is_open)
    for state, counted in view.counts.items():
        if comparison.states[state] != counted:
            comparison.differences += 1
            comparison.examples.append(f"{state.label}: {comparison.states[state]} records, counted {counted}")
    comparison.sent_ms.sort()
    return comparison


async def _messages(queries: Queries, view: CampaignView) -> AsyncIterator[tuple[CampaignView, MessageView]]:
    """Yield each message with the campaign of the message's ids: the campaign of the lane, if the sender has lanes."""
    for lane in view.lanes or [view]:
        for number in range(lane.batches):
            async for message in queries.batch(lane, number):
                yield lane, message


def max_per_second(times_ms: list[int]) -> int:
    """Return the largest number of times within any period of one second; *times_ms* are sorted."""
    largest, first = 0, 0
    for last, time_ms in enumerate(times_ms):
        while time_ms - times_ms[first] >= 1000:
            first += 1
        largest = max(largest, last - first + 1)
    return largest


def _failed_before(attempts: list[Accepted | None], entries: list[Accepted]) -> bool:
    """Say whether all accepted attempts of a message are earlier attempts that failed."""
    return bool(entries) and all(entry in attempts and entry.event == "failed" for entry in entries)


def _ended_doubt(state: MessageState, entries: list[Accepted]) -> bool:
    """Say whether a click or a reply explains why a message waits for a second try that is not in the books.

    The second try was being sent, or in doubt, when the recipient reacted to an earlier attempt. The reaction proves
    that the message was accepted, and only a report of the second try could change the state.
    """
    return state in _WITHOUT_REPORT and any(entry.clicked or entry.replied for entry in entries)


def _compare_message(
    comparison: Comparison, message: MessageView, entries: list[Accepted], *, is_tried_again: bool, is_open: bool
) -> None:
    """Compare one message of the ledger with the books.

    Args:
        comparison: gets the differences.
        message: the message in the ledger.
        entries: the accepted attempts of the message in the books.
        is_tried_again: whether an earlier attempt failed, so that the books have several attempts.
        is_open: whether the message waits for the report of an attempt that the books do not have.
    """
    record = message.record
    if any(entry.to != number_hash(message.to) for entry in entries):
        comparison.add_difference(message, "accepted for another number in the books")
    if record.state in UNDECIDED:
        comparison.undecided += 1
        comparison.undecided_in_books += bool(entries) and not is_tried_again
    elif record.state not in SENT:
        if entries:
            comparison.add_difference(message, "accepted in the books")
    elif not entries:
        comparison.add_difference(message, "not accepted in the books")
    else:
        events = {entry.event for entry in entries}
        if record.state is MessageState.DELIVERED and "delivered" not in events:
            comparison.add_difference(message, "not reported delivered in the books")
        elif record.state is MessageState.FAILED and events != {"failed"}:
            comparison.add_difference(message, "not reported failed in the books")
        elif record.state is MessageState.FAILED and str(record.code) not in {entry.code for entry in entries}:
            comparison.add_difference(message, "reported with another code in the books")
        elif record.state in _WITHOUT_REPORT and entries[-1].event and not is_open:
            comparison.add_difference(message, "reported in the books")


async def _pages(client: httpx.AsyncClient) -> AsyncIterator[list[Accepted]]:
    after = 0
    decode: Any = msgspec.json.Decoder(Accepted).decode_lines
    while True:
        response = await client.get("/sandbox/accepted", params={"after": after})
        page: list[Accepted] = decode(response.content)
        if not page:
            return
        yield page
        after = page[-1].n
