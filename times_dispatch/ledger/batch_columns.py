"""The messages of whole batches as columns, for exports and searches that read a campaign from end to end."""

from collections.abc import AsyncIterator, Sequence
from itertools import groupby
from typing import cast

import msgspec
from redis.asyncio import Redis

from times_dispatch.ledger.errors import CampaignDamaged
from times_dispatch.ledger.keys import BatchKey, batch_key
from times_dispatch.ledger.lanes.whole import lane_batch
from times_dispatch.ledger.model import CampaignView, Recipients
from times_dispatch.ledger.records import RecordColumns, read_record_columns, unpack_recipients

_BATCHES_AT_ONCE = 8
"""How many batches one call reads, about half a megabyte."""


class BatchColumns(msgspec.Struct, frozen=True, gc=False):
    """The messages of one batch; entry *i* of every column is about message ``recipients.first + i``."""

    recipients: Recipients
    records: RecordColumns


async def read_batches(
    redis: Redis, view: CampaignView, numbers: Sequence[int] | None = None
) -> AsyncIterator[BatchColumns]:
    """Yield the batches of a campaign with the given numbers, by default all batches; raise ``CampaignDamaged``.

    Each batch is read in one atomic step, and the batches are read one after the other. A message that changes
    meanwhile is read once, either before or after its change.
    """
    wanted = range(view.batches) if numbers is None else numbers
    if view.lanes:
        async for batch in _read_lanes(redis, view, wanted):
            yield batch
        return
    for at in range(0, len(wanted), _BATCHES_AT_ONCE):
        group = wanted[at : at + _BATCHES_AT_ONCE]
        keys = [
            batch_key(view.plan.sender, view.id, kind, number)
            for number in group
            for kind in (BatchKey.RECIPIENTS, BatchKey.MESSAGES)
        ]
        replies = cast("list[bytes | None]", await redis.mget(keys))
        for number, packed, records in zip(group, replies[::2], replies[1::2], strict=True):
            try:
                recipients = unpack_recipients(packed or b"")
                columns = read_record_columns(
                    records or b"", len(recipients.to), without_records=view.state_without_records(number)
                )
            except ValueError as error:
                raise CampaignDamaged(view.id, view.plan.sender, f"batch {number + 1} cannot be read") from error
            yield BatchColumns(recipients, columns)


async def _read_lanes(redis: Redis, view: CampaignView, numbers: Sequence[int]) -> AsyncIterator[BatchColumns]:
    """Yield batches lane by lane; indexes and times of their messages are relative to the whole campaign."""
    batches = [lane_batch(view, number) for number in numbers]
    for offset, of_lane in groupby(batches, lambda each: each[2]):
        several = list(of_lane)
        lane, later_ms = several[0][0], several[0][0].created_ms - view.created_ms
        async for batch in read_batches(redis, lane, [number for _, number, _ in several]):
            yield of_whole_campaign(batch, offset=offset, later_ms=later_ms)


def of_whole_campaign(batch: BatchColumns, *, offset: int, later_ms: int) -> BatchColumns:
    """Return a batch of a lane, with indexes and times relative to the whole campaign.

    Args:
        batch: the batch.
        offset: the index in the whole campaign of the first message of the lane.
        later_ms: how much later than the whole campaign the lane was created, in milliseconds.
    """
    recipients = msgspec.structs.replace(batch.recipients, first=batch.recipients.first + offset)
    sent_ms = [sent + later_ms if sent else 0 for sent in batch.records.sent_ms]
    return BatchColumns(recipients, msgspec.structs.replace(batch.records, sent_ms=sent_ms))
