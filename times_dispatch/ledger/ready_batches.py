"""Batches that were issued and are ready for a worker: the replies of the scripts ``issue`` and ``expire_leases``."""

from typing import Any

import msgspec

from times_dispatch.ledger.model import BatchRef, CampaignId, SenderId
from times_dispatch.ledger.scripts import Reply, read_reply, text


class BatchReady(msgspec.Struct, frozen=True):
    """A batch that was issued: the caller wakes a worker for the batch."""

    ref: BatchRef
    batches: int
    """How many batches the campaign has."""
    name: str
    """The campaign's name, for people."""
    urgent: bool


def ready_batches(sender: SenderId, reply: Reply) -> list[BatchReady]:
    """Read the batches that a script issued from its reply."""
    return [_ready_batch(sender, read_reply(batch)) for batch in reply["ready"]]


def _ready_batch(sender: SenderId, batch: dict[str, Any]) -> BatchReady:
    ref = BatchRef(sender, CampaignId(text(batch["campaign"])), int(batch["batch_number"]))
    return BatchReady(ref, int(batch["batches"]), text(batch["name"]), bool(batch["urgent"]))
