"""The suppression check of a batch: which recipients opted out, and the fingerprints of the texts.

The ledger itself suppresses a message if the same text was sent to its number lately, or if its number got too many
messages. To let the ledger find such messages, the worker passes fingerprints (six bytes for each pair of number and
text) with each opening of a block: those of a *stretch*, the messages among which the ledger looks for the block. The
opt-out list is looked up once for the whole batch, and again only when the opening of a block says that the list was
changed. So a worker need not ask the ledger between the opening of a block and its first push.
"""

from collections.abc import Mapping

from times_dispatch.ledger.frequency_cap import (
    FINGERPRINT_BYTES,
    NO_CHECK,
    FrequencyCheck,
    FrequencyLimit,
    fingerprint,
    text_digest,
)
from times_dispatch.ledger.leases import Lease
from times_dispatch.ledger.model import Plan
from times_dispatch.ledger.numbers.opt_outs import Listed
from times_dispatch.ledger.openings import Block
from times_dispatch.ledger.states import Suppression
from workers.batch.ledger_retry import LedgerRetry
from workers.batch.opt_out_cache import OptOutCache
from workers.batch.renderer import MessageRenderer

_REASONS = {Listed.OPTED_OUT: Suppression.OPTED_OUT, Listed.DEAD: Suppression.DEAD_NUMBER}
_MIN_STRETCH = 32
"""The fewest messages of a stretch."""
_STRETCH_PER_BLOCK = 4
"""A stretch has this many times the messages of the last block. It has at most twice the messages of the next block, or
``_MIN_STRETCH``."""


class SuppressionCheck:
    """Knows the opt-outs and the fingerprints of one batch; raises ``BatchWritesEnded`` when the batch has to end."""

    def __init__(
        self,
        lease: Lease,
        plan: Plan,
        *,
        limit: FrequencyLimit,
        cache: OptOutCache,
        ledger_retry: LedgerRetry,
        renderer: MessageRenderer,
    ) -> None:
        """Make the check of a batch.

        Args:
            lease: the lease of the batch, with the recipients.
            plan: the plan of the campaign.
            limit: how often the campaign's sender may text one number.
            cache: looks numbers up in the opt-out list.
            ledger_retry: repeats the look-ups while the ledger is unavailable.
            renderer: renders the texts of which the ledger needs the fingerprints.
        """
        self._phones = lease.recipients.to
        self._digest = text_digest(plan.text)
        self._cache = cache
        self._limit = limit
        self._ledger_retry = ledger_retry
        self._renderer = renderer
        self._fingerprints = bytearray()
        """The fingerprints of the first messages of the batch, as far as ``stretch`` was called for them."""
        self._first_index = 0
        """No message before this index is pending, as far as this process knows."""
        self._stretch = len(self._phones)
        """How many messages the next stretch may hold."""
        self._changes = 0
        """How many times the opt-out list had been changed when it was looked up for this batch."""
        self._opted_out: Mapping[int, Suppression] = {}
        """Why recipients get nothing, by their indexes in the batch: they opted out, or their numbers are dead."""

    async def prepare(self) -> None:
        """Look up the whole batch in the opt-out list, before its first block is opened."""
        await self._look_up(await self._ledger_retry.call(self._cache.changes))

    async def opted_out(self, block: Block) -> Mapping[int, Suppression]:
        """Return the indexes in the batch of recipients that had opted out when the block was opened, or are dead."""
        if block.opt_out_changes != self._changes:
            await self._look_up(block.opt_out_changes)
        return self._opted_out

    def stretch(self, max_messages: int) -> FrequencyCheck:
        """Return the fingerprints of the next stretch, for a block of at most *max_messages*."""
        if not any(self._limit):
            return NO_CHECK
        first = self._first_index
        last = min(first + self._stretch, first + max(_MIN_STRETCH, 2 * max_messages), len(self._phones))
        for index in range(len(self._fingerprints) // FINGERPRINT_BYTES, last):
            self._fingerprints += fingerprint(self._phones[index], self._renderer.compared_text(index))
        return FrequencyCheck(
            self._limit,
            self._digest,
            first,
            bytes(self._fingerprints[first * FINGERPRINT_BYTES : last * FINGERPRINT_BYTES]),
            " ".join(self._phones[first:last]) if self._limit.max_messages else "",
        )

    def opened(self, block: Block) -> None:
        """Let the next stretch begin after the last message of a block that was opened."""
        if not any(self._limit):
            return
        searched = block.next_index - self._first_index
        if searched > len(block.messages):
            opened = {index for index, _ in block.messages}
            for index in range(self._first_index, block.next_index):
                if index not in opened:
                    self._renderer.drop_text(index)
        self._first_index = block.next_index
        self._stretch = max(_MIN_STRETCH, _STRETCH_PER_BLOCK * searched)

    def start_stretch_at(self, index: int) -> None:
        """Let the next stretch begin at a message that is pending."""
        self._first_index = index

    def note_not_sent(self, index: int) -> None:
        """Let the next stretch include a message that will be pending again, or suppressed.

        Call this before the ledger records the result of the message: from then on the message can be opened.
        """
        self._renderer.drop_text(index)
        self._first_index = min(self._first_index, index)

    async def _look_up(self, changes: int) -> None:
        are_on_list = await self._ledger_retry.call(lambda: self._cache.opted_out(self._phones, changes=changes))
        self._opted_out = {index: _REASONS[listed] for index, listed in enumerate(are_on_list) if listed}
        self._changes = changes
