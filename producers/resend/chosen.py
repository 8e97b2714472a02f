"""The choice of the messages that a resend takes from the batches of a campaign."""

from collections.abc import Sequence

from redis.asyncio import Redis

from producers.export.rows import RowFilter
from times_dispatch.ledger.batch_columns import BatchColumns
from times_dispatch.ledger.numbers.forgotten_numbers import FORGOTTEN
from times_dispatch.ledger.numbers.opt_outs import OptOuts


class ChosenMessages:
    """Finds the chosen messages of a batch, without messages whose data is forgotten.

    A message whose data is forgotten has lost its number, or all its values, because a value contained a forgotten
    number. Without the values, the text would be sent with gaps.
    """

    def __init__(self, row_filter: RowFilter, *, has_forgotten: bool) -> None:
        """Make the choice.

        Args:
            row_filter: the states and codes that are chosen.
            has_forgotten: whether any number was ever forgotten; if not, a message without values never had values.
        """
        self._filter = row_filter
        self._has_forgotten = has_forgotten

    @classmethod
    async def of_ledger(cls, redis: Redis, row_filter: RowFilter) -> "ChosenMessages":
        """Make the choice for a ledger; raise Redis errors."""
        [listed] = await OptOuts(redis).contains([FORGOTTEN])  # in the list since the first number was forgotten
        return cls(row_filter, has_forgotten=bool(listed))

    def positions(self, batch: BatchColumns) -> Sequence[int]:
        """Return the positions in the batch of the messages that the resend takes."""
        positions = self._filter.positions(batch)
        if not self._has_forgotten:
            return positions
        rows = batch.recipients
        columns = [*rows.slots, *rows.custom.values(), *rows.link_values]
        return [
            position
            for position in positions
            if rows.to[position] != FORGOTTEN and (not columns or any(column[position] for column in columns))
        ]
