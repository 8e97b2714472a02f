"""Refuses a campaign that does not fit into Redis' memory, because reports need some of the memory."""

from redis.asyncio import Redis

from producers.errors import CommandFailed
from times_dispatch.ledger.keys import BatchKey, batch_key
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.monitoring.health import Memory, read_memory
from times_dispatch.ledger.records import RECORD_WIDTH

_EVERY_BATCHES = 32


class MemoryCheck:
    """Compares the bytes that a campaign needs with the bytes that are left below a share of Redis' maxmemory."""

    def __init__(self, redis: Redis, *, max_share: float) -> None:
        self._redis = redis
        self._max_share = max_share

    async def before(self) -> None:
        """Raise CommandFailed if Redis has no memory left for any campaign."""
        memory = await read_memory(self._redis)
        if not memory.has_room(0, max_share=self._max_share):
            raise CommandFailed(
                f"Redis uses {memory.share:.0%} of its memory, and campaigns are refused above {self._max_share:.0%}: "
                "raise its maxmemory and submit again"
            )

    async def while_stored(
        self, campaign: CampaignId, sender: SenderId, *, stored: int, batch_size: int, fraction: float
    ) -> None:
        """Raise CommandFailed if the rest of the campaign does not fit; check after the first batch and some others.

        Args:
            campaign: the campaign that is being submitted.
            sender: the campaign's sender.
            stored: how many batches are stored.
            batch_size: messages of a full batch.
            fraction: the part of the recipients file that was read, from 0 to 1, to estimate the size of the rest.
        """
        if stored % _EVERY_BATCHES != 1 or fraction <= 0:
            return
        memory = await read_memory(self._redis)
        if not memory.max_bytes:
            return
        recipients = await self._redis.strlen(batch_key(sender, campaign, BatchKey.RECIPIENTS, 0))
        records = batch_size * (1 + RECORD_WIDTH)
        # A stored batch already holds its recipients, and gets its records later, when it is sent.
        needed = int((stored / fraction - stored) * recipients + stored / fraction * records)
        if not memory.has_room(needed, max_share=self._max_share):
            raise CommandFailed(
                f"campaign {campaign}: does not fit into Redis: it needs about {_megabytes(needed)} more, and "
                f"{_megabytes(self._left(memory))} are left; raise maxmemory and submit again, "
                f"or cancel the campaign: dispatch cancel {campaign}"
            )

    def _left(self, memory: Memory) -> int:
        return max(0, int(self._max_share * memory.max_bytes) - memory.used_bytes)


def _megabytes(number: int) -> str:
    return f"{number / 1e6:,.1f} MB"
