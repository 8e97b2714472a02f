"""Campaigns of one batch whose messages are checked against a frequency cap."""

from typing import Any

from redis.asyncio import Redis

from tests.kit.ledger import SENDER, Ledger
from times_dispatch.ledger.frequency_cap import FrequencyCheck, FrequencyLimit, fingerprint, text_digest
from times_dispatch.ledger.keys import hash_tag
from times_dispatch.ledger.leases import BatchLeases, Lease
from times_dispatch.ledger.model import BatchRef, CampaignId
from times_dispatch.ledger.openings import Block, Opened, new_operation
from times_dispatch.ledger.scripts import replaced_lib, text

HALF_AN_HOUR = FrequencyLimit(repeat_after_s=1800)
ONE_A_DAY = FrequencyLimit(max_messages=1, period_s=86_400)
TWO_A_DAY = FrequencyLimit(max_messages=2, period_s=86_400)
TEXT = "Dear {#var#}"


def leases_at(redis: Redis, epoch_s: float) -> BatchLeases:
    """Return the ledger's calls for workers, with a clock that stands still at *epoch_s*."""
    clock = f"local function now_us()\n  return {epoch_s * 1_000_000:.0f}\nend\n"
    with replaced_lib("clock", clock):
        return BatchLeases(redis)


def check_of(
    lease: Lease, limit: FrequencyLimit, *, word: str = "hi", first: int = 0, last: int = 100
) -> FrequencyCheck:
    """Return the check that a worker sends for a stretch of its batch.

    Args:
        lease: the lease of the batch.
        limit: the frequency cap.
        word: the variable part of the texts.
        first: the index of the first message of the stretch.
        last: the index after the last message of the stretch.
    """
    numbers = lease.recipients.to[first:last]
    return FrequencyCheck(
        limit,
        text_digest(TEXT),
        first,
        b"".join(fingerprint(number, word) for number in numbers),
        " ".join(numbers) if limit.max_messages else "",
    )


class SendingCampaign:
    """A campaign of one batch that a worker holds."""

    def __init__(self, ledger: Ledger, campaign: CampaignId, lease: Lease) -> None:
        self.ledger = ledger
        self.campaign = campaign
        self.lease = lease

    async def open_block(
        self, limit: FrequencyLimit = HALF_AN_HOUR, *, at_s: float = 0, most: int = 100, **check: Any
    ) -> Opened:
        leases = leases_at(self.ledger.redis, at_s) if at_s else self.ledger.leases
        return await leases.open_block(
            self.lease, max_messages=most, operation=new_operation(), check=check_of(self.lease, limit, **check)
        )

    async def open(self, limit: FrequencyLimit = HALF_AN_HOUR, **how: Any) -> Block:
        opened = await self.open_block(limit, **how)
        assert isinstance(opened, Block), opened
        return opened

    async def send(self, limit: FrequencyLimit = HALF_AN_HOUR, *, results: bytes = b"a", **how: Any) -> str:
        """Open a block, record the results of its messages, and return the states of all messages."""
        block = await self.open(limit, **how)
        if block.messages:
            await self.ledger.record(self.lease, block, results)
        return await self.states()

    async def states(self) -> str:
        return await self.ledger.states(self.campaign)

    async def release(self) -> None:
        await self.ledger.leases.release(self.lease)

    async def take_again(self) -> None:
        """End the waits of blocked campaigns and batches, issue the batch unless it is issued, and take it again."""
        for member in await self.ledger.redis.zrange(f"{hash_tag(SENDER)}:blocked", 0, -1):
            await self.ledger.redis.zadd(f"{hash_tag(SENDER)}:blocked", {text(member): 1})
        await self.ledger.issue()
        self.lease = await self.ledger.take(BatchRef(self.lease.ref.sender, self.campaign, 0))


async def sending(ledger: Ledger, campaign: str, messages: int = 3, **changes: Any) -> SendingCampaign:
    claimed = await ledger.submit(messages, campaign=campaign, batch_size=max(3, messages), **changes)
    (ref,) = [ref for ref in await ledger.issue(changes.get("sender", SENDER)) if ref.campaign == claimed]
    return SendingCampaign(ledger, claimed, await ledger.take(ref))


async def period_start(ledger: Ledger, period_s: int = 1800) -> int:
    """Return the start of the next period, in seconds since the epoch; no entry made in that period is expired yet."""
    return (await ledger.now_ms() // 1000 // period_s + 1) * period_s
