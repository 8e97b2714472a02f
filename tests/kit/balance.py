"""Compares the counters of campaigns with their records, batches and leases, all read in one round trip."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis

from times_dispatch.ledger.audit import COUNTERS, counter_mismatch, read_counters
from times_dispatch.ledger.keys import BatchKey, batch_key, campaign_key, hash_tag
from times_dispatch.ledger.model import CampaignView
from times_dispatch.ledger.records import RECORD_WIDTH, MessageRecord, read_records, unpack_recipients
from times_dispatch.ledger.scripts import text
from times_dispatch.ledger.states import SUPPRESSION_REASONS, CampaignState, MessageState

_KINDS = (BatchKey.RECIPIENTS, BatchKey.MESSAGES)


async def assert_balanced(redis: Redis, views: Sequence[CampaignView]) -> None:
    """Fail unless the counters of these campaigns equal the sums over their records; nothing may change meanwhile."""
    async with redis.pipeline(transaction=False) as pipe:
        for view in views:
            sender, key = view.plan.sender, campaign_key(view.plan.sender, view.id)
            group = ":urgent" if view.plan.urgent else ":own" if view.plan.rate_per_s else ""
            pipe.hmget(key, COUNTERS)
            pipe.hget(key, "batches_out")
            pipe.smembers(f"{hash_tag(sender)}:batches_out{group}")
            pipe.zrange(f"{hash_tag(sender)}:leases", 0, -1)
            for number in range(view.batches):
                pipe.mget(
                    [batch_key(sender, view.id, kind, number) for kind in (BatchKey.RECIPIENTS, BatchKey.MESSAGES)]
                )
                pipe.hexists(f"{key}:b:{number}", "token")
        replies = iter(await pipe.execute())
    for view in views:
        counters, number_out, out, leased = (next(replies) for _ in range(4))
        batches = [(*next(replies), next(replies)) for _ in range(view.batches)]
        assert not counter_mismatch(read_counters(counters)), view.id
        _assert_records_balanced(view, batches)
        _assert_batches_balanced(view, int(number_out or 0), set(map(text, out)), set(map(text, leased)), batches)


def _assert_records_balanced(view: CampaignView, batches: Sequence[Any]) -> None:
    records = [
        record
        for number, (rows, packed, _) in enumerate(batches)
        for record in read_records(
            packed or b"", len(unpack_recipients(rows).to), without_records=view.state_without_records(number)
        )
    ]
    states = Counter(record.state for record in records)
    assert {state: count for state, count in view.counts.items() if count} == states, view.id
    assert view.counters_add_up
    assert view.total == len(records)
    failed, held_back = _codes(records, "rig"), _codes(records, "ug")
    assert _errors(view, "push") == {code: count for code, count in failed.items() if code not in SUPPRESSION_REASONS}
    assert _errors(view, "report") == _codes(records, "f")
    # A message whose second attempt was suppressed is given up, and keeps the code of the suppression.
    assert _errors(view, "suppressed") == {
        code: count for code, count in held_back.items() if code in SUPPRESSION_REASONS
    }
    assert (view.state is CampaignState.FINISHED) == bool(view.finished_ms)
    assert view.state is not CampaignState.FINISHED or view.unsent == 0


def _assert_batches_balanced(
    view: CampaignView, number_out: int, batches_out: set[str], leases: set[str], batches: Sequence[Any]
) -> None:
    """Fail unless the batches out, the leases and the records of a campaign agree.

    Args:
        view: the campaign.
        number_out: the number of batches out according to the campaign's hash.
        batches_out: the members of the set of batches out of the campaign's sender and turn group.
        leases: the batches of the campaign's sender that have a deadline.
        batches: the rows and records of each batch, and whether a worker holds the batch.
    """
    assert batches_out <= leases
    assert sum(member.startswith(f"{view.id}:") for member in batches_out) == number_out
    for number, (_, records, held) in enumerate(batches):
        size = len(records or b"") // (1 + RECORD_WIDTH)
        is_sending = b"s" in (records or b"")[:size]
        assert held or not is_sending, f"no worker holds batch {number}, but some of its messages are being sent"
        assert not held or f"{view.id}:{number}" in leases, f"the lease of batch {number} has no deadline"


def _errors(view: CampaignView, origin: str) -> dict[int, int]:
    errors = {code.partition(":"): count for code, count in view.codes.items()}
    return {int(code): count for (code_origin, _, code), count in errors.items() if code_origin == origin}


def _codes(records: Sequence[MessageRecord], states: str) -> dict[int, int]:
    chosen = {MessageState(state) for state in states}
    return Counter(record.code for record in records if record.state in chosen)
