"""What a batch knows of its recipients before their messages are opened: who opted out, and fingerprints of the texts.

The ledger itself suppresses messages whose text went to their number lately, or whose number had too many: the worker
passes the fingerprints with each opening, for a stretch of the batch. The opt-out list is looked up once for the whole
batch, and again only when the opening of a block says that the list was changed: so nothing stands between the opening
of a block and its first push.
"""

from times_dispatch.ledger.frequency_cap import FINGERPRINT_BYTES, NO_CHECK, FrequencyCheck, fingerprint, text_digest
from times_dispatch.ledger.leases import Lease
from times_dispatch.ledger.model import Plan
from times_dispatch.ledger.openings import Block
from workers.batch.ledger_retry import LedgerRetry
from workers.batch.opt_out_cache import OptOutCache
from workers.batch.renderer import MessageRenderer

_MIN_STRETCH = 32
"""Messages of a stretch, however small the blocks are."""
_STRETCH_PER_BLOCK = 4
"""A stretch holds this many times the messages of the last block, and not more than twice those of the next one."""


class SuppressionCheck:
    """Knows the opt-outs and the fingerprints of one batch; raises ``LeaseLost`` when the batch has to end."""

    def __init__(
        self, lease: Lease, plan: Plan, *, cache: OptOutCache, ledger_retry: LedgerRetry, renderer: MessageRenderer
    ) -> None:
        self._numbers = lease.recipients.to
        self._digest = text_digest(plan.text)
        self._cache = cache
        self._limit = cache.frequency_limit(plan.sender)
        self._ledger_retry = ledger_retry
        self._renderer = renderer
        self._fingerprints = bytearray()
        """Of the first messages of the batch, as many as were asked for yet."""
        self._first_index = 0
        """No message before this index is pending, as far as this process knows."""
        self._stretch = len(self._numbers)
        """How many messages the next stretch may hold."""
        self._changes = 0
        """How many times the opt-out list had been changed when it was looked up for this batch."""
        self._opted_out: frozenset[int] = frozenset()
        """Indexes in the batch."""

    async def prepare(self) -> None:
        """Look up the whole batch in the opt-out list, before its first block is opened."""
        await self._look_up(await self._ledger_retry.call(self._cache.changes))

    async def opted_out(self, block: Block) -> frozenset[int]:
        """Return the indexes in the batch of recipients that had opted out when the block was opened."""
        if block.opt_out_changes != self._changes:
            await self._look_up(block.opt_out_changes)
        return self._opted_out

    def stretch(self, max_messages: int) -> FrequencyCheck:
        """Return what the ledger must know to check the next messages, for a block of at most so many."""
        if not any(self._limit):
            return NO_CHECK
        first = self._first_index
        last = min(first + self._stretch, first + 2 * max_messages, len(self._numbers))
        for index in range(len(self._fingerprints) // FINGERPRINT_BYTES, last):
            self._fingerprints += fingerprint(self._numbers[index], self._renderer.text(index))
        return FrequencyCheck(
            self._limit,
            self._digest,
            first,
            bytes(self._fingerprints[first * FINGERPRINT_BYTES : last * FINGERPRINT_BYTES]),
            " ".join(self._numbers[first:last]) if self._limit.max_messages else "",
        )

    def opened(self, block: Block) -> None:
        """Let the next stretch begin behind a block that was opened."""
        if not any(self._limit):
            return
        searched = block.next_index - self._first_index
        if searched > len(block.messages):
            opened = {index for index, _ in block.messages}
            for index in range(self._first_index, block.next_index):
                if index not in opened:
                    self._renderer.forget(index)
        self._first_index = block.next_index
        self._stretch = max(_MIN_STRETCH, _STRETCH_PER_BLOCK * searched)

    def begin_at(self, index: int) -> None:
        """Let the next stretch begin at a message that is pending."""
        self._first_index = index

    def returned(self, index: int) -> None:
        """Note that a message is pending again, or suppressed; its text is not needed for now."""
        self._renderer.forget(index)
        self._first_index = min(self._first_index, index)

    async def _look_up(self, changes: int) -> None:
        answers = await self._ledger_retry.call(lambda: self._cache.opted_out(self._numbers, changes=changes))
        self._opted_out = frozenset(index for index, is_out in enumerate(answers) if is_out)
        self._changes = changes
