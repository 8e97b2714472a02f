"""The archive in the ledger: which campaigns are archived, and the steps that move a campaign out of Redis.

A campaign is read from Redis until ``commit``, and from the archive afterwards. Each step may be repeated, and two
processes may take the steps at the same time.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from redis.asyncio import Redis

from times_dispatch.ledger.errors import CampaignArchived, CampaignUnknown, LedgerError
from times_dispatch.ledger.keys import CAMPAIGNS, SENDERS, CampaignField, SenderKey, campaign_key, sender_key
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.scripts import Script, text
from times_dispatch.ledger.statistics.rollups import RollupKey

_BATCHES_AT_ONCE = 50
"""How many batches one call deletes; a batch has six keys."""
_PAGE = 100


class ArchiveState(StrEnum):
    """Where the messages of a campaign are; the value is the field ``archive`` of the campaign."""

    ARCHIVING = "archiving"
    """The messages are in Redis; a process stores them in the archive."""
    ARCHIVED = "archived"
    """In the archive."""
    ERASED = "erased"
    """The messages are nowhere, because their key is destroyed. The counters are in the archive."""


class ArchiveBegin(StrEnum):
    """The status of an attempt to begin the archiving of a campaign."""

    BEGUN = "begun"
    NO_CAMPAIGN = "no_campaign"
    ARCHIVED = "archived"
    """The campaign is archived already."""
    LIVE = "live"
    """The campaign is neither finished nor cancelled."""
    UNSETTLED = "unsettled"
    """A message may still change its state, because its report or the end of the validity is awaited."""
    YOUNG = "young"
    """The campaign ended too recently."""


class ArchiveCommit(StrEnum):
    """The status of an attempt to commit an archived campaign."""

    ARCHIVED = "archived"
    TAKEN = "taken"
    """Another attempt began later, or has archived the campaign."""
    CHANGED = "changed"
    """A report, a click or a reply came since the attempt began."""
    NO_CAMPAIGN = "no_campaign"


class ArchiveStub(NamedTuple):
    """The data that Redis keeps of an archived campaign."""

    id: CampaignId
    sender: SenderId
    state: ArchiveState
    operation: str
    """The id of the attempt, which is part of the names of the campaign's files in the folder."""
    folder: str
    """The path or URL of the folder."""
    name: str
    template: str
    created_ms: int
    ended_ms: int
    sent_days: str = ""
    """The field ``archive_sent_days``; empty if an earlier version created, sent or archived some of the campaign."""
    codes: frozenset[str] | None = None
    """The field ``archive_codes``; None if an earlier version archived the campaign."""


async def missing_campaign(redis: Redis, sender: SenderId, campaign: CampaignId) -> LedgerError:
    """Return the error about a campaign that is not in Redis: ``CampaignArchived`` or ``CampaignUnknown``."""
    if await redis.hexists(campaign_key(sender, campaign), CampaignField.ARCHIVE):
        return CampaignArchived(campaign, sender)
    return CampaignUnknown(campaign)


class ArchiveStates:
    """Takes the steps of the archive in the ledger."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._begin = Script(redis, "begin_archive")
        self._commit = Script(redis, "commit_archive")
        self._delete = Script(redis, "delete_archived")
        self._erase = Script(redis, "erase_archive")
        self._restore = Script(redis, "restore_archived")

    async def begin(
        self, sender: SenderId, campaign: CampaignId, *, operation: str, before_ms: int
    ) -> tuple[ArchiveBegin, str]:
        """Begin to archive a campaign that ended before a time; return the status and the digest of its counters.

        The digest is empty if the attempt did not begin.
        """
        reply = await self._begin(sender, campaign=campaign, operation=operation, before_ms=before_ms)
        return ArchiveBegin(text(reply["status"])), text(reply.get("digest", b""))

    async def commit(
        self,
        sender: SenderId,
        campaign: CampaignId,
        *,
        operation: str,
        digest: str,
        folder: str,
        name: str,
        template: str,
        trail: str = "",
    ) -> ArchiveCommit:
        """Make a campaign an archived campaign; refuse this if one of its counters changed since the attempt began.

        Args:
            sender: the sender of the campaign.
            campaign: the campaign.
            operation: the id of the attempt.
            digest: the digest that the begin of the attempt returned.
            folder: the path or URL of the folder in which the messages are stored.
            name: the name of the campaign.
            template: the template of the campaign.
            trail: the packed entry of the sender's trail.
        """
        reply = await self._commit(
            sender,
            campaign=campaign,
            operation=operation,
            digest=digest,
            folder=folder,
            name=name,
            template=template,
            trail=trail,
        )
        return ArchiveCommit(text(reply["status"]))

    async def delete_some(self, sender: SenderId, campaign: CampaignId, *, max_batches: int = _BATCHES_AT_ONCE) -> int:
        """Delete some keys of an archived campaign; return how many batches are left, 0 if no key is left."""
        return int((await self._delete(sender, campaign=campaign, max_batches=max_batches))["left"])

    async def erase(self, sender: SenderId, campaign: CampaignId, *, trail: str = "") -> bool:
        """Note that the archive of a campaign is erased; return whether the campaign was archived."""
        return bool((await self._erase(sender, campaign=campaign, trail=trail))["is_erased"])

    async def is_known(self, stub: ArchiveStub) -> bool:
        """Say whether Redis has the campaign of a stub, either archived or with its messages."""
        is_known = bool(await self._redis.exists(campaign_key(stub.sender, stub.id)))
        if is_known:
            await self._index(stub)  # an earlier restore may have broken off before this step
        return is_known

    async def restore(
        self, stub: ArchiveStub, *, rollups: Mapping[RollupKey, Mapping[str, int]], trail: str = ""
    ) -> bool:
        """Create an archived campaign again from its stub; return False if Redis has the campaign.

        Args:
            stub: the data that Redis keeps of the campaign.
            rollups: the amounts that the campaign adds to the rollups of days.
            trail: the packed entry of the sender's trail.
        """
        counters = [
            {"member": key.member, "day": key.member.partition(":")[0], "field": field, "amount": amount}
            for key, amounts in rollups.items()
            for field, amount in amounts.items()
        ]
        reply = await self._restore(
            stub.sender,
            campaign=stub.id,
            state=stub.state.value,
            operation=stub.operation,
            folder=stub.folder,
            name=stub.name,
            template=stub.template,
            created_ms=stub.created_ms,
            ended_ms=stub.ended_ms,
            trail=trail,
            counters=counters,
        )
        await self._index(stub)
        return bool(reply["is_restored"])

    async def _index(self, stub: ArchiveStub) -> None:
        await self._redis.sadd(SENDERS, stub.sender)
        await self._redis.hset(CAMPAIGNS, stub.id, stub.sender)

    async def leaving(self, sender: SenderId) -> list[CampaignId]:
        """Return archived campaigns that still have keys to delete."""
        members = await self._redis.smembers(sender_key(sender, SenderKey.LEAVING))
        return sorted(CampaignId(text(member)) for member in members)

    async def ended(self, sender: SenderId, *, created_before_ms: int) -> AsyncIterator[CampaignId]:
        """Yield the ended campaigns of a sender that are still in Redis, the oldest first."""
        seen = set[CampaignId]()
        first = 0
        while True:
            members = await self._redis.zrangebyscore(
                sender_key(sender, SenderKey.ENDED), "-inf", created_before_ms, start=first, num=_PAGE
            )
            fresh = [id_ for member in members if (id_ := CampaignId(text(member))) not in seen]
            for campaign in fresh:
                yield campaign
            seen.update(fresh)
            if len(members) < _PAGE:
                return
            # A campaign that was archived meanwhile is no longer in the set.
            first = len(seen) - await self._count_gone(sender, seen)

    async def _count_gone(self, sender: SenderId, campaigns: set[CampaignId]) -> int:
        scores: Any = await self._redis.zmscore(sender_key(sender, SenderKey.ENDED), list(campaigns))
        return sum(score is None for score in scores)

    async def find(self, campaign: CampaignId) -> ArchiveStub | None:
        """Return the stub of a campaign; None if the campaign is not archived; raise ``CampaignUnknown``."""
        sender = await self._redis.hget(CAMPAIGNS, campaign)
        if sender is None:
            raise CampaignUnknown(campaign)
        stubs = await self.read([(campaign, SenderId(text(sender)))])
        return stubs[0] if stubs else None

    async def newest(
        self, senders: Sequence[SenderId], *, limit: int | None = None, with_erased: bool = True
    ) -> tuple[list[ArchiveStub], int]:
        """Return the newest archived campaigns of some senders, the newest first, and how many campaigns are left out.

        Args:
            senders: the senders of the campaigns.
            limit: the maximum number of campaigns to return; None is all.
            with_erased: whether to include campaigns whose archive is erased.
        """
        names = [SenderKey.ARCHIVED, *([SenderKey.ERASED] if with_erased else [])]
        async with self._redis.pipeline(transaction=False) as pipe:
            for sender in senders:
                for name in names:
                    pipe.zrevrange(sender_key(sender, name), 0, -1 if limit is None else max(limit - 1, 0), True)
                    pipe.zcard(sender_key(sender, name))
            replies = await pipe.execute()
        owners = [sender for sender in senders for _ in names]
        ids = sorted(
            (-created_ms, CampaignId(text(campaign)), sender)
            for sender, members in zip(owners, replies[::2], strict=True)
            for campaign, created_ms in members
        )[:limit]
        stubs = await self.read([(campaign, sender) for _, campaign, sender in ids])
        return stubs, sum(replies[1::2]) - len(ids)

    async def read(self, campaigns: Sequence[tuple[CampaignId, SenderId]]) -> list[ArchiveStub]:
        """Return the stubs of the archived campaigns among these campaigns."""
        names = (
            CampaignField.ARCHIVE,
            CampaignField.ARCHIVE_OPERATION,
            CampaignField.ARCHIVE_FOLDER,
            CampaignField.ARCHIVE_NAME,
            CampaignField.ARCHIVE_TEMPLATE,
            CampaignField.ARCHIVE_ENDED_MS,
            CampaignField.ARCHIVE_SENT_DAYS,
            CampaignField.ARCHIVE_CODES,
        )
        async with self._redis.pipeline(transaction=False) as pipe:
            for campaign, sender in campaigns:
                pipe.hmget(campaign_key(sender, campaign), names)
                pipe.zscore(sender_key(sender, SenderKey.ARCHIVED), campaign)
                pipe.zscore(sender_key(sender, SenderKey.ERASED), campaign)
            replies = await pipe.execute()
        stubs = list[ArchiveStub]()
        for (campaign, sender), (*fields, codes), *created in zip(
            campaigns, replies[::3], replies[1::3], replies[2::3], strict=True
        ):
            state, operation, folder, name, template, ended_ms, sent_days = (text(field or b"") for field in fields)
            if state in {ArchiveState.ARCHIVED, ArchiveState.ERASED}:
                created_ms = next((int(score) for score in created if score is not None), 0)
                stubs.append(
                    ArchiveStub(
                        id=campaign,
                        sender=sender,
                        state=ArchiveState(state),
                        operation=operation,
                        folder=folder,
                        name=name,
                        template=template,
                        created_ms=created_ms,
                        ended_ms=int(ended_ms or 0),
                        sent_days=sent_days,
                        codes=None if codes is None else frozenset(text(codes).split()),
                    )
                )
        return stubs
