"""The trail: who changed a campaign, a sender or the opt-out list, what, and when.

An entry is written in the same transaction as its change, or before the rows of an export are read. Each sender has a
trail of its own in its hash slot, and so has the opt-out list; each trail keeps about its newest 10,000 entries. An
entry holds no phone number and no text of a message.
"""

import secrets
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import msgspec
from redis.asyncio import Redis

from times_dispatch.ledger.keys import OPT_OUTS, SenderKey, sender_key
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.scripts import Script, text

PROGRAM = "times-dispatch"
"""The actor of changes that the program makes by itself; ``lua/lib/trail.lua`` has the same actor."""
MAX_ENTRIES = 10_000
_MAX_TEXT = 300
"""The maximum number of characters of an actor or a detail."""
_PAGE = 500


class TrailAction(StrEnum):
    """The action that an entry records."""

    SUBMITTED = "submitted"
    PAUSED = "paused"
    RESUMED = "resumed"
    CANCELLED = "cancelled"
    BRAKED = "braked"
    BUDGET_SET = "budget set"
    RESOLVED = "resolved"
    RATE_SET = "rate set"
    SENDER_PAUSED = "sender paused"
    SENDER_RESUMED = "sender resumed"
    PROVIDER_BRAKED = "provider braked"
    EXPORTED = "exported"
    RESENT = "resent"
    TEST_SENT = "test message sent"
    SILENCE_BEGAN = "promotional messages held back"
    SILENCE_ENDED = "promotional messages go on"
    COMPLAINT_ADDED = "complaint added"
    COMPLAINT_REMOVED = "complaint removed"
    ARCHIVED = "archived"
    ARCHIVE_ERASED = "archive erased"
    FORGOTTEN = "number forgotten"
    OPT_OUTS_ADDED = "opt-outs added"
    OPT_OUTS_REMOVED = "opt-outs removed"


class TrailEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a trail."""

    at_ms: int = 0
    """When the change was made, by Redis' clock."""
    actor: str
    """The person, as user@host or as DISPATCH_ACTOR says; ``PROGRAM`` if the program acted by itself."""
    action: str
    """A ``TrailAction``."""
    sender: str = ""
    """Empty in the trail of the opt-out list."""
    campaign: str = ""
    """Empty if the change is about a whole sender or the opt-out list."""
    detail: str = ""
    """A detail for people: a reason, a new value, a count."""
    reason_detail: str = ""
    """The number that belongs to the reason of a brake."""
    operation: str = ""
    """An id of the entry, so that an entry that a repeated call wrote twice is shown once."""


def packed_entry(actor: str, action: TrailAction, *, campaign: CampaignId | str = "", detail: str = "") -> str:
    """Return an entry as the JSON text that is stored; its stream gives the sender, and its id gives the time.

    Args:
        actor: the person who makes the change; if empty, the change is not noted, and the returned text is empty.
        action: the action of the entry.
        campaign: the campaign, if the change is about one.
        detail: a reason, a new value or a count, for people; never a phone number or the text of a message.
    """
    if not actor:
        return ""
    entry = {
        "actor": actor[:_MAX_TEXT],
        "action": action.value,
        "campaign": campaign,
        "detail": detail[:_MAX_TEXT],
        "operation": secrets.token_hex(6),
    }
    return msgspec.json.encode(entry).decode()


def trail_key(owner: SenderId | str) -> str:
    """Return the key of the trail of a sender, or of the opt-out list for ``OPT_OUTS``."""
    return sender_key(SenderId(owner), SenderKey.TRAIL)


class Trail:
    """Reads the trails, and notes actions that change nothing in the ledger (an export)."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._append = Script(redis, "append_to_trail")

    async def note(self, owner: SenderId | str, entry: str) -> None:
        """Append a packed entry to the trail of a sender or of the opt-out list, also when Redis is full.

        An empty entry is not noted.
        """
        await self._append(owner, trail=entry)

    async def newest(
        self, owners: Sequence[SenderId | str], *, limit: int, campaign: CampaignId | str = "", since_ms: int = 0
    ) -> list[TrailEntry]:
        """Return the newest entries of some trails, the oldest first.

        Args:
            owners: senders, and ``OPT_OUTS`` for the opt-out list.
            limit: the maximum number of entries to return.
            campaign: if it is not empty, only entries about this campaign.
            since_ms: only entries from this time on, in epoch milliseconds.
        """
        entries = list[TrailEntry]()
        for owner in owners:
            entries += await self._newest_of(owner, limit=limit, campaign=campaign, since_ms=since_ms)
        return sorted(entries, key=lambda entry: entry.at_ms)[-limit:]

    async def _newest_of(
        self, owner: SenderId | str, *, limit: int, campaign: CampaignId | str, since_ms: int
    ) -> list[TrailEntry]:
        """Return the newest entries of one trail, the oldest first."""
        entries, operations, before = list[TrailEntry](), set[str](), "+"
        while len(entries) < limit:
            page: Any = await self._redis.xrevrange(trail_key(owner), before, str(since_ms), count=_PAGE)
            for entry_id, fields in page:
                entry = _read_entry(owner, entry_id, fields)
                if entry is None or (campaign and entry.campaign != campaign) or entry.operation in operations:
                    continue
                entries.append(entry)
                if entry.operation:
                    operations.add(entry.operation)
            if len(page) < _PAGE:
                break
            before = f"({text(page[-1][0])}"
        return entries[:limit][::-1]


def add_entry(pipe: Any, owner: SenderId | str, entry: str) -> None:
    """Append a packed entry to a trail in a pipeline, together with its change."""
    pipe.xadd(trail_key(owner), {"entry": entry}, maxlen=MAX_ENTRIES, approximate=True)


def _read_entry(owner: SenderId | str, entry_id: object, fields: dict[Any, Any]) -> TrailEntry | None:
    """Return the entry of a stream; None if it is damaged."""
    try:
        entry = msgspec.json.decode(fields.get(b"entry", b""), type=TrailEntry)
    except msgspec.DecodeError:
        return None
    at_ms = int(text(entry_id).partition("-")[0])
    return msgspec.structs.replace(entry, at_ms=at_ms, sender="" if owner == OPT_OUTS else owner)
