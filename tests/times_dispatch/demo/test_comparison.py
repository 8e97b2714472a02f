from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.ledger import CAMPAIGN, plan
from times_dispatch.demo.comparison import Comparison, compare, max_per_second
from times_dispatch.ledger.model import CampaignView, RetryRule
from times_dispatch.ledger.queries import MessageView, Queries
from times_dispatch.ledger.records import MessageRecord
from times_dispatch.ledger.states import CampaignState, MessageState
from times_dispatch.provider.correlation_ids import CorrelationIds
from times_dispatch.sandbox.bookkeeping.books import Accepted
from times_dispatch.sandbox.bookkeeping.entries import number_hash

IDS = CorrelationIds(b"an-id-key-of-enough-bytes")
NUMBER = "919800000000"
RULE = RetryRule(codes=[912], after_s=[5], at_most=1)
CREATED_MS = 1_790_000_000_000
DELIVERED, FAILED, ACCEPTED = MessageState.DELIVERED, MessageState.FAILED, MessageState.ACCEPTED


class OneMessage:
    """Queries of a campaign with one message."""

    def __init__(self, state: MessageState, attempt: int, code: int) -> None:
        self.record = MessageRecord(0, state, attempt, code, 1_500, 0, "")

    async def batch(self, _view: CampaignView, _number: int) -> AsyncIterator[MessageView]:
        yield MessageView(index=0, line=2, to=NUMBER, slots=[], record=self.record)


def accepted(attempt: int = 0, *, to: str = NUMBER, **fields: Any) -> Accepted:
    """An entry of the books for an attempt at the message, with one row of each event that it had."""
    id_ = IDS.make(CAMPAIGN, 0, attempt)
    if event := fields.get("event"):
        fields.setdefault(event, 1)
    return Accepted(n=1, id=id_, sender="TIMESM", to=number_hash(to), at=0.0, parts=1, **fields)


async def compare_one(
    state: MessageState,
    *entries: Accepted,
    attempt: int = 0,
    code: int = 0,
    counted: int = 1,
    retry: RetryRule | None = None,
) -> Comparison:
    view = CampaignView(
        id=CAMPAIGN,
        state=CampaignState.FINISHED,
        reason="",
        plan=plan(retry=retry),
        total=1,
        batches=1,
        counts=dict.fromkeys(MessageState, 0) | {state: counted},
        codes={},
        parts=1,
        stats={},
        created_ms=CREATED_MS,
        sealed_ms=0,
        first_sent_ms=0,
        last_sent_ms=0,
        finished_ms=0,
    )
    queries = cast("Queries", OneMessage(state, attempt, code))
    return await compare(queries, view, ids=IDS, books={entry.id: entry for entry in entries})


@pytest.mark.parametrize(
    ("state", "entries", "code"),
    [
        (ACCEPTED, [accepted()], 0),
        (DELIVERED, [accepted(event="delivered")], 0),
        (FAILED, [accepted(event="failed", code="901")], 901),
        (MessageState.REJECTED, [], 2054),
        (MessageState.CANCELLED, [], 0),
    ],
)
async def test_a_message_with_the_same_state_in_the_books_is_no_difference(
    state: MessageState, entries: list[Accepted], code: int
) -> None:
    comparison = await compare_one(state, *entries, code=code)
    assert (comparison.differences, comparison.examples) == (0, [])
    assert (comparison.messages, comparison.in_books, comparison.accepted_twice) == (1, len(entries), 0)
    assert comparison.sent_ms == [CREATED_MS + 1_500]


@pytest.mark.parametrize(
    ("state", "entries", "difference"),
    [
        (ACCEPTED, [], "not accepted in the books"),
        (MessageState.REJECTED, [accepted()], "accepted in the books"),
        (ACCEPTED, [accepted(to="919800000001")], "accepted for another number in the books"),
        (ACCEPTED, [accepted(event="delivered")], "reported in the books"),
        (DELIVERED, [accepted()], "not reported delivered in the books"),
        (FAILED, [accepted(event="delivered")], "not reported failed in the books"),
        (FAILED, [accepted(event="failed", code="902")], "reported with another code in the books"),
    ],
)
async def test_each_difference_from_the_books_is_described(
    state: MessageState, entries: list[Accepted], difference: str
) -> None:
    comparison = await compare_one(state, *entries, code=901)
    assert comparison.differences == 1
    assert comparison.examples == [f"message 0: {state.label} in the ledger, {difference}"]


async def test_a_counter_that_differs_from_the_records_is_a_difference() -> None:
    comparison = await compare_one(ACCEPTED, accepted(), counted=2)
    assert comparison.examples == ["accepted: 1 records, counted 2"]


@pytest.mark.parametrize("entries", [[accepted(times=2)], [accepted(0), accepted(1)]])
async def test_a_message_that_the_provider_accepted_twice_is_counted(entries: list[Accepted]) -> None:
    assert (await compare_one(ACCEPTED, *entries, attempt=1)).accepted_twice == 1


@pytest.mark.parametrize("state", [MessageState.SENDING, MessageState.IN_DOUBT, MessageState.GIVEN_UP])
@pytest.mark.parametrize("entries", [[], [accepted()]])
async def test_undecided_messages_are_counted_and_are_no_difference(
    state: MessageState, entries: list[Accepted]
) -> None:
    comparison = await compare_one(state, *entries)
    assert (comparison.undecided, comparison.undecided_in_books, comparison.differences) == (1, len(entries), 0)


@given(st.lists(st.integers(0, 5_000), max_size=40).map(sorted))
def test_the_fullest_second_is_found_wherever_it_begins(times_ms: list[int]) -> None:
    expected = max((sum(begin <= at < begin + 1_000 for at in times_ms) for begin in times_ms), default=0)
    assert max_per_second(times_ms) == expected


async def test_a_second_try_in_doubt_counts_by_the_second_try_and_its_parts_by_both() -> None:
    first = accepted(event="failed", code="912")
    given_up = await compare_one(MessageState.GIVEN_UP, first, attempt=1, retry=RULE)
    assert (given_up.undecided, given_up.undecided_in_books, given_up.differences) == (1, 0, 0)
    assert (given_up.totals.sent, given_up.totals.failed.total(), given_up.totals.parts) == (0, 0, 1)


@pytest.mark.parametrize(
    ("entries", "retry"),
    [
        ([accepted(event="failed", code="912"), accepted(1)], RULE),  # the second try was accepted
        ([accepted(event="delivered")], RULE),  # a delivered message gets no second try
        ([accepted(event="failed", code="912")], None),
    ],
)
async def test_any_other_accepted_try_of_a_message_that_was_given_up_is_named(
    entries: list[Accepted], retry: RetryRule | None
) -> None:
    given_up = await compare_one(MessageState.GIVEN_UP, *entries, attempt=1, retry=retry)
    assert (given_up.undecided_in_books, given_up.totals.sent) == (1, 1)


FAILED_AND_CLICKED = accepted(event="failed", code="912", clicked=1)


@pytest.mark.parametrize("state", [ACCEPTED, MessageState.NO_REPORT])
@pytest.mark.parametrize(
    ("entries", "attempt", "retry", "differences", "failed"),
    [
        ([FAILED_AND_CLICKED], 1, RULE, 0, 0),  # it is in doubt whether the second try was sent
        ([accepted(event="failed", code="912", replied=1)], 1, RULE, 0, 0),
        ([FAILED_AND_CLICKED, accepted(1)], 1, RULE, 0, 0),
        ([FAILED_AND_CLICKED], 0, RULE, 1, 1),  # the failed report is lost: there was no second try
        ([FAILED_AND_CLICKED], 1, None, 1, 1),
        ([accepted(event="failed", code="912")], 1, RULE, 1, 1),  # nothing ended the doubt
        ([FAILED_AND_CLICKED, accepted(1, event="failed", code="912", clicked=1)], 1, RULE, 1, 1),
        ([accepted(event="delivered", clicked=1)], 1, RULE, 1, 0),
    ],
)
async def test_a_failed_and_clicked_message_waits_for_a_report_only_if_its_second_try_may_have_been_sent(
    state: MessageState,
    *,
    entries: list[Accepted],
    attempt: int,
    retry: RetryRule | None,
    differences: int,
    failed: int,
) -> None:
    comparison = await compare_one(state, *entries, attempt=attempt, retry=retry)
    assert (comparison.differences, comparison.totals.failed.total()) == (differences, failed)


@pytest.mark.parametrize(
    ("first", "retry", "twice"),
    [
        ({"event": "failed", "code": "912"}, RULE, 0),
        ({"event": "delivered", "failed": 1}, RULE, 0),  # the first try failed, and was reported delivered afterwards
        ({"event": "delivered", "failed": 1}, None, 1),
        ({"event": "delivered"}, RULE, 1),
        ({}, RULE, 1),
    ],
)
async def test_a_second_try_is_no_second_copy_if_the_first_try_was_reported_failed_before_it_was_reported_delivered(
    first: dict[str, Any], retry: RetryRule | None, twice: int
) -> None:
    comparison = await compare_one(DELIVERED, accepted(**first), accepted(1, event="delivered"), attempt=1, retry=retry)
    assert comparison.accepted_twice == twice


@pytest.mark.parametrize("state", [ACCEPTED, MessageState.NO_REPORT])
async def test_a_message_whose_second_try_has_no_report_is_not_failed_in_the_books(state: MessageState) -> None:
    first = accepted(event="failed", code="912")
    comparison = await compare_one(state, first, accepted(1), attempt=1, retry=RULE)
    assert (comparison.differences, comparison.totals.sent, comparison.totals.failed.total()) == (0, 1, 0)


async def test_a_message_whose_tries_all_failed_counts_once_with_the_code_in_the_ledger() -> None:
    tries = [accepted(event="failed", code="912"), accepted(1, event="failed", code="901")]
    comparison = await compare_one(FAILED, *tries, attempt=1, code=901, retry=RULE)
    assert (comparison.differences, comparison.totals.failed) == (0, {901: 1})
