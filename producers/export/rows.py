"""The rows of an export: one for each message, read from the ledger batch by batch, as columns."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import msgspec

from producers.export.code_names import CODE_ORIGINS, code_name
from producers.export.own_columns import OwnColumns
from times_dispatch.archive.catalog import Catalog
from times_dispatch.ledger.batch_columns import BatchColumns
from times_dispatch.ledger.model import CampaignView
from times_dispatch.ledger.states import MessageState
from times_dispatch.settings.masking import mask

RowGroup = list[Sequence[Any]]
"""Rows as columns, in the order of the schema; entry *i* of every column belongs to row *i*."""


class RowFilter(msgspec.Struct, frozen=True):
    """Chooses messages by state and code; an empty set chooses all."""

    states: frozenset[MessageState] = frozenset()
    codes: frozenset[int] = frozenset()

    def positions(self, batch: BatchColumns) -> Sequence[int]:
        """Return the positions of the chosen messages in the batch."""
        states, codes = batch.records.states, batch.records.codes
        if not self.states and not self.codes:
            return range(len(states))
        letters = "".join(self.states or CODE_ORIGINS)
        if not self.codes:
            return [position for position, state in enumerate(states) if state in letters]
        return [
            position
            for position, (state, code) in enumerate(zip(states, codes, strict=True))
            if code in self.codes and state in letters
        ]


class CampaignRows:
    """Makes the rows of one campaign.

    Args:
        view: the campaign.
        row_filter: chooses the messages.
        meaning: returns the meaning of a code with its origin (``push:2054``).
        shows_numbers: whether numbers are written whole; otherwise they are masked.
        slots: how many columns of values the export has; a campaign with fewer slots leaves the last ones empty.
        own: the columns of the recipients file; None for an export without these columns.
    """

    def __init__(
        self,
        view: CampaignView,
        *,
        row_filter: RowFilter,
        meaning: Callable[[str], str],
        shows_numbers: bool,
        slots: int,
        own: OwnColumns | None = None,
    ) -> None:
        self._view = view
        self._filter = row_filter
        self._meaning = meaning
        self._shows_numbers = shows_numbers
        self._slots = slots
        self._own = own
        self._code_texts: dict[tuple[str, int], tuple[str, str]] = {}

    async def groups(self, catalog: Catalog) -> AsyncIterator[RowGroup]:
        """Yield the rows batch by batch; raise the errors of ``Catalog.batches`` and ``OwnColumns.of``."""
        async for batch in catalog.batches(self._view):
            own = self._own.of(batch.recipients) if self._own else []
            positions = self._filter.positions(batch)
            if positions:
                yield self._group(batch, positions, own)

    def _group(self, batch: BatchColumns, positions: Sequence[int], own: Sequence[Sequence[str]]) -> RowGroup:
        view, recipients, records = self._view, batch.recipients, batch.records
        all_taken = len(positions) == len(recipients.to)

        def taken(column: Sequence[Any]) -> Sequence[Any]:
            return column if all_taken else [column[position] for position in positions]

        count, created_ms = len(positions), view.created_ms
        states = taken(records.states)
        coded = [self._code(state, code) for state, code in zip(states, taken(records.codes), strict=True)]
        codes, origins, meanings = zip(*coded, strict=True)
        numbers = taken(recipients.to)
        values = [taken(column) for column in recipients.slots[: self._slots]]
        no_value = [None] * count
        return [
            [view.id] * count,
            [view.plan.name] * count,
            [view.plan.sender] * count,
            [view.plan.template] * count,
            [recipients.first + position for position in positions],
            taken(recipients.lines),
            numbers if self._shows_numbers else [mask(number) for number in numbers],
            [_LABELS[state] for state in states],
            codes,
            origins,
            meanings,
            taken(records.attempts),
            taken(recipients.parts),
            [created_ms] * count,
            [created_ms + sent_ms if sent_ms else None for sent_ms in taken(records.pushed_ms)],
            [reported_s * 1000 if reported_s else None for reported_s in taken(records.reported_s)],
            [transaction_id or None for transaction_id in taken(records.transaction_ids)],
            *values,
            *[no_value] * (self._slots - len(values)),
            *map(taken, own),
        ]

    def _code(self, state: str, code: int) -> tuple[int | None, str | None, str | None]:
        """Return the code, its origin and its meaning; each is None if a message in this state has no error code."""
        if (state, code) not in self._code_texts:
            name = code_name(MessageState(state), code, retry=self._view.plan.retry)
            if not name:
                return _NO_CODE
            self._code_texts[state, code] = (name.partition(":")[0], self._meaning(name))
        return (code, *self._code_texts[state, code])


_NO_CODE = (None, None, None)
_LABELS = {state.value: state.label for state in MessageState}
