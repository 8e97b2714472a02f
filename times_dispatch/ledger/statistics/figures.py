"""The statistics of a campaign, or of all messages that a filter matches, as one typed object."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec

from times_dispatch.ledger.keys import StatisticsField
from times_dispatch.ledger.states import SENT, SUPPRESSION_REASONS, MessageState
from times_dispatch.ledger.statistics.delivery_times import DeliveryTimes

Amounts = Mapping[str, int]
"""The fields of a hash of statistics (``StatisticsField``), or the sums of several."""

MICROS: Final = 1_000_000
_MIN_PROVIDER_CODE: Final = 100
"""Codes of failed pushes below this number are our own."""
_SYSTEM_ERROR_AT_PROVIDER: Final = 904
ERROR_STATES: Final = (MessageState.FAILED, MessageState.REJECTED, MessageState.GIVEN_UP)
"""The states that count as errors: failed by the operator, rejected by the provider, or given up."""


class ErrorOwner(StrEnum):
    """The party whose error left a message undelivered."""

    OURS = "ours"
    PROVIDER = "provider"
    OPERATOR = "operator"


class CodeCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many messages are in a state with a code as the reason."""

    state: str
    """The label of a ``MessageState``."""
    code: int
    messages: int

    @property
    def owner(self) -> ErrorOwner:
        """Return the party whose error the code is."""
        if self.state == MessageState.FAILED.label and self.code != _SYSTEM_ERROR_AT_PROVIDER:
            return ErrorOwner.OPERATOR
        return ErrorOwner.OURS if self.code < _MIN_PROVIDER_CODE else ErrorOwner.PROVIDER

    @property
    def name(self) -> str:
        """Return origin and code as in a campaign's hash of codes: ``report:901``, ``push:2054``, ``suppressed:31``."""
        if self.state == MessageState.FAILED.label:
            return f"report:{self.code}"
        return f"suppressed:{self.code}" if self.code in SUPPRESSION_REASONS else f"push:{self.code}"


class KeptBack(msgspec.Struct, frozen=True, kw_only=True):
    """Messages that were not sent for a reason, and what they would have cost."""

    reason: str
    messages: int
    parts: int
    """SMS parts; a refused row counts as one part, because its text was not made."""
    cost: Decimal
    """The price of these parts in rupees; 0 without a price."""
    code: int = 0
    """The code of a ``Suppression``; 0 for refused rows, of which the ledger has no message."""


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """The results of the messages that were sent in one minute, hour or day."""

    sent: int = 0
    delivered: int = 0
    errors: int = 0
    clicked: int = 0


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """The results and the cost of some messages, and the cost of messages that were not sent.

    A message counts on the day and in the hour of its last push, whenever its report came. A message that was sent
    again counts once; each of its attempts that a provider accepted has its parts and its cost.
    """

    states: dict[str, int]
    """Messages by the label of their state; messages that are pending or sending are not counted."""
    sent: int
    """Messages that a provider accepted."""
    delivered: int
    errors: int
    """Messages that failed, were rejected, or were given up."""
    errors_by_owner: dict[str, int]
    codes: list[CodeCount]
    """The reasons of all messages that failed, were rejected, are in doubt, were given up or suppressed."""
    no_report: int
    in_doubt: int
    clicked: int
    clickers: int
    """Messages with a click: recipients who clicked."""
    replied: int
    opted_out: int
    retried: dict[int, int]
    """Messages whose first, second, … second try a provider accepted, by the number of the try."""
    recovered: dict[int, int]
    """Messages that were delivered by a second try, by the number of the try."""
    links: dict[int, int]
    """Clicks by the number of the tracked link; for a campaign only."""
    parts: int
    cost: Decimal
    """The cost of the parts with a price, in rupees."""
    unpriced_parts: int
    """Parts for which the settings had no price; their cost is not in ``cost``."""
    kept_back: list[KeptBack]
    """Rows that the checks refused, and messages that were suppressed, by reason."""
    delivery_times: DeliveryTimes
    course: dict[int, Course]
    """By hour: of the day for rollups, since the epoch in India for a campaign."""

    @property
    def delivery_rate_percent(self) -> float | None:
        """Return delivered / sent × 100; None before anything is sent."""
        return 100 * self.delivered / self.sent if self.sent else None

    @property
    def recovered_percent(self) -> float | None:
        """Return the percentage of messages with a second try that it delivered; None without second tries."""
        tried = self.retried.get(1, 0)
        return 100 * sum(self.recovered.values()) / tried if tried else None

    @property
    def click_rate_percent(self) -> float | None:
        """Return clicked / delivered × 100 if there are reports, else clicked / sent × 100; None without messages."""
        base = self.delivered or self.sent
        return 100 * self.clicked / base if base else None

    @property
    def money_kept(self) -> Decimal:
        """Return the cost, in rupees, that the messages that were not sent would have had."""
        return sum((kept.cost for kept in self.kept_back), Decimal(0))


def statistics_of(amounts: Amounts) -> Statistics:
    """Make the typed object from the fields of a hash, or from sums of fields."""
    states = {state.label: amounts.get(state.value, 0) for state in MessageState if amounts.get(state.value)}
    codes = sorted(_codes(amounts), key=lambda code: (-code.messages, code.state, code.code))
    owners = Counter(dict.fromkeys(ErrorOwner, 0))
    error_labels = {state.label for state in ERROR_STATES}
    for code in codes:
        if code.state in error_labels:
            owners[code.owner] += code.messages
    return Statistics(
        states=states,
        sent=sum(amounts.get(state.value, 0) for state in SENT),
        delivered=amounts.get(MessageState.DELIVERED.value, 0),
        errors=sum(amounts.get(state.value, 0) for state in ERROR_STATES),
        errors_by_owner={owner.value: number for owner, number in owners.items()},
        codes=codes,
        no_report=amounts.get(MessageState.NO_REPORT.value, 0),
        in_doubt=amounts.get(MessageState.IN_DOUBT.value, 0),
        clicked=amounts.get(StatisticsField.CLICKED, 0),
        clickers=amounts.get(StatisticsField.CLICKERS, 0),
        replied=amounts.get(StatisticsField.REPLIED, 0),
        opted_out=amounts.get(StatisticsField.OPTED_OUT, 0),
        retried=_by_number(amounts, StatisticsField.RETRIED),
        recovered=_by_number(amounts, StatisticsField.RECOVERED),
        links=_by_number(amounts, StatisticsField.LINK),
        parts=amounts.get(StatisticsField.PARTS, 0),
        cost=Decimal(amounts.get(StatisticsField.COST, 0)) / MICROS,
        unpriced_parts=amounts.get(StatisticsField.UNPRICED, 0),
        kept_back=list(_kept_back(amounts)),
        delivery_times=DeliveryTimes(
            {int(number): messages for number, messages in _numbered(amounts, StatisticsField.DELIVERY_TIME)}
        ),
        course=_course(amounts),
    )


def course_of(counts: Counter[str]) -> Course:
    """Make the course of one minute, hour or day from its counters by letter (``StatisticsField.COURSE``)."""
    return Course(sent=counts["s"], delivered=counts["d"], errors=counts["e"], clicked=counts["c"])


def total(several: Iterable[Amounts]) -> Counter[str]:
    """Add up the fields of several hashes."""
    sums = Counter[str]()
    for amounts in several:
        sums.update(amounts)
    return sums


def _by_number(amounts: Amounts, prefix: str) -> dict[int, int]:
    # The fields of a hash have no order: Lua writes them in an order that depends on their names, and so on the hour.
    return dict(sorted((int(number), amount) for number, amount in _with_prefix(amounts, prefix)))


def _with_prefix(amounts: Amounts, prefix: str) -> Iterator[tuple[str, int]]:
    for field, amount in amounts.items():
        if field.startswith(prefix) and amount:
            yield field[len(prefix) :], amount


def _numbered(amounts: Amounts, prefix: str) -> Iterator[tuple[str, int]]:
    return ((number, amount) for number, amount in _with_prefix(amounts, prefix) if number.isdecimal())


def _codes(amounts: Amounts) -> Iterator[CodeCount]:
    states = {state.value: state.label for state in MessageState}
    for field, messages in amounts.items():
        letter, separator, code = field.partition(StatisticsField.CODE)
        if separator and letter in states and messages:
            yield CodeCount(state=states[letter], code=int(code), messages=messages)


def _kept_back(amounts: Amounts) -> Iterator[KeptBack]:
    suppressed = MessageState.SUPPRESSED.value + StatisticsField.CODE
    for reason, parts in sorted(_with_prefix(amounts, StatisticsField.KEPT_PARTS)):
        words = SUPPRESSION_REASONS.get(int(reason), f"code {reason}") if reason.isdecimal() else reason
        messages = amounts.get(StatisticsField.REFUSED + reason, 0) or amounts.get(suppressed + reason, 0)
        cost = Decimal(amounts.get(StatisticsField.KEPT_COST + reason, 0)) / MICROS
        code = int(reason) if reason.isdecimal() else 0
        yield KeptBack(reason=words, messages=messages, parts=parts, cost=cost, code=code)


def _course(amounts: Amounts) -> dict[int, Course]:
    hours: dict[int, Counter[str]] = {}
    for rest, amount in _with_prefix(amounts, StatisticsField.COURSE):
        hour, letter = rest[:-1], rest[-1]
        if hour.isdecimal():
            hours.setdefault(int(hour), Counter())[letter] += amount
    return {hour: course_of(counts) for hour, counts in sorted(hours.items())}
