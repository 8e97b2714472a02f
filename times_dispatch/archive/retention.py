"""Retention: archives campaigns and erases archives when they are due, in small steps that may be repeated."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, NamedTuple

import msgspec
import structlog
from redis.asyncio import Redis

from times_dispatch.archive.archiver import Archiver
from times_dispatch.archive.catalog import Archive
from times_dispatch.archive.erasure.late_opt_outs import opt_out_late
from times_dispatch.archive.erasure.sealing import Sealing
from times_dispatch.archive.errors import ArchiveError
from times_dispatch.archive.folder import KEY, MANIFEST, NUMBERS, ROWS, ArchiveFolder
from times_dispatch.archive.manifest import pack_manifest
from times_dispatch.archive.wrapped_keys import MasterKeys
from times_dispatch.ledger.archive_states import ArchiveBegin, ArchiveState, ArchiveStates, ArchiveStub
from times_dispatch.ledger.errors import CampaignArchived, CampaignDamaged, CampaignUnknown, ForgetKeyRefused
from times_dispatch.ledger.lanes.names import header_of, is_lane
from times_dispatch.ledger.model import CampaignId, CampaignView, SenderId
from times_dispatch.ledger.numbers.forgotten_numbers import ForgottenNumbers
from times_dispatch.ledger.queries import LaneQueries
from times_dispatch.ledger.redis_clock import RedisClock
from times_dispatch.ledger.states import CampaignState, MessageState
from times_dispatch.ledger.trail import PROGRAM, TrailAction, packed_entry

log = structlog.get_logger(__name__)

_MS: Final = 1000


class RetentionRule(NamedTuple):
    """How long campaigns stay in Redis and in the archive; all times are in seconds."""

    folder: str
    """The path or URL of the folder of the archive."""
    live_s: int
    """A campaign is archived when its end is longer ago than this."""
    archive_s: int
    """A campaign is erased from the archive when its end is longer ago than this."""
    links_s: int = 0
    """How long tracked links work after the end of the validity; until then the campaign stays in Redis."""


class RetentionResult(msgspec.Struct):
    """The result of one run."""

    archived: list[CampaignId] = []
    rows: int = 0
    erased: list[CampaignId] = []
    sealed_erased: int = 0
    """Sealed records of forgotten numbers that were erased."""
    opted_out: int = 0
    """The count of numbers that were opted out because of a stop reply to an archived message."""
    waiting: list[tuple[CampaignId, str]] = []
    """Campaigns that are old enough to be archived and stay in Redis, each with the reason."""
    failed: list[tuple[CampaignId, str]] = []
    """Campaigns that could not be archived or erased, each with the error."""


_REASONS: Final = {
    ArchiveBegin.UNSETTLED: "it waits for a report or for the end of its validity",
    ArchiveBegin.LIVE: "it runs again",
    ArchiveBegin.YOUNG: "it has not ended long enough ago",
    ArchiveBegin.NO_CAMPAIGN: "it does not exist in Redis",
}


_OPEN: Final = (MessageState.PENDING, MessageState.SENDING, MessageState.ACCEPTED, MessageState.IN_DOUBT)
"""The states of messages that may still change without a person's action."""


_ENDED: Final = (CampaignState.FINISHED, CampaignState.CANCELLED)


async def _no_pause() -> None:
    """Do not wait between steps."""


class Retention:
    """Archives campaigns and erases archives that are due."""

    def __init__(
        self,
        redis: Redis,
        rule: RetentionRule,
        keys: MasterKeys,
        *,
        actor: str = PROGRAM,
        forget_key: bytes = b"",
        pause: Callable[[], Awaitable[None]] = _no_pause,
        before_step: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Make the retention of a ledger; raise ``ArchiveUnavailable`` if the folder is of an unknown kind.

        Args:
            redis: the ledger.
            rule: how long campaigns stay in Redis and in the archive.
            keys: the master keys, which wrap and open the keys of the archives.
            actor: the person or process that archives, for the trail.
            forget_key: the key of the digests of forgotten numbers; empty if this process has no such key.
            pause: awaited after each small step.
            before_step: called with the name of each step before it is taken.
        """
        self._redis = redis
        self._rule = rule
        self._actor = actor
        self._pause = pause
        self._before_step = before_step
        self._queries = LaneQueries(redis)
        self._states = ArchiveStates(redis)
        self._archive = Archive(redis, keys)
        self._forgotten = ForgottenNumbers(redis, forget_key)
        self._clock = RedisClock(redis)
        folder = ArchiveFolder(rule.folder)
        self._sealing = Sealing(redis, folder, keys)
        self._archiver = Archiver(redis, folder, keys, actor=actor, pause=pause, before_step=before_step)

    async def run(self, *, max_campaigns: int | None = None) -> RetentionResult:
        """Archive and erase everything that is due; archive at most *max_campaigns* campaigns."""
        result = RetentionResult()
        now_ms = await self._clock.now_ms()
        await self._opt_out_late(result)  # first, because people wait for their opt-outs
        for sender in await self._queries.senders():
            for campaign in await self._states.leaving(sender):
                try:
                    await self._archiver.finish(sender, campaign)
                except ArchiveError as error:
                    result.failed.append((campaign, str(error)))
            await self._archive_due(sender, now_ms, max_campaigns, result)
            await self._erase_due(sender, now_ms, result)
        result.sealed_erased, errors = await self._sealing.erase_due(now_ms)
        result.failed += [(CampaignId(""), str(error)) for error in errors]
        return result

    async def _opt_out_late(self, result: RetentionResult) -> None:
        try:
            result.opted_out, errors = await opt_out_late(self._redis, self._archive, self._forgotten)
        except ForgetKeyRefused as error:
            errors = {CampaignId(""): error}
        result.failed += [(campaign, str(error)) for campaign, error in errors.items()]

    async def erase(self, stub: ArchiveStub) -> None:
        """Destroy the key of an archive, and delete the rows; the counters stay. The call may be repeated.

        The key is destroyed first: even if a later step fails, nobody can read the rows any more.
        """
        folder = self._archive.folder(stub.folder)
        manifest = await self._archive.manifest(stub)
        self._before_step("destroy the key")
        await asyncio.to_thread(folder.delete_others, stub.id, stub.operation)
        await asyncio.to_thread(folder.delete, stub.id, f"{stub.operation}.{KEY}")
        self._before_step("delete the rows")
        for kind in (ROWS, NUMBERS):
            await asyncio.to_thread(folder.delete, stub.id, f"{stub.operation}.{kind}")
        await asyncio.to_thread(folder.destroy, stub.id, f"{stub.operation}.{KEY}")
        self._before_step("note in the manifest")
        erased = msgspec.structs.replace(manifest, erased_ms=manifest.erased_ms or await self._clock.now_ms())
        await asyncio.to_thread(folder.write, stub.id, f"{stub.operation}.{MANIFEST}", pack_manifest(erased))
        self._before_step("note in the ledger")
        trail = packed_entry(self._actor, TrailAction.ARCHIVE_ERASED, campaign=stub.id)
        await self._states.erase(stub.sender, stub.id, trail=trail)
        await asyncio.to_thread(folder.delete, stub.id, f"{stub.operation}.{KEY}")  # stored again by a rewrap meanwhile

    async def _archive_due(
        self, sender: SenderId, now_ms: int, max_campaigns: int | None, result: RetentionResult
    ) -> None:
        before_ms = now_ms - self._rule.live_s * _MS
        async for campaign in self._states.ended(sender, created_before_ms=before_ms):
            if max_campaigns is not None and len(result.archived) >= max_campaigns and not is_lane(sender):
                return
            try:
                view = await self._queries.campaign(campaign)
                if reason := await self._lanes_wait(view, before_ms):
                    result.waiting += [(campaign, reason)] if _is_whole_or_first(view) else []
                    continue
                if view.plan.tracked_links and view.plan.valid_until_ms + self._rule.links_s * _MS > now_ms:
                    result.waiting.append((campaign, "its tracked links still work"))
                    continue
                archived = await self._archiver.archive(sender, campaign, before_ms=before_ms)
            except (CampaignUnknown, CampaignArchived):
                continue
            except (ArchiveError, CampaignDamaged) as error:
                result.failed.append((campaign, str(error)))
                continue
            if archived.answer is ArchiveBegin.ARCHIVED:
                result.archived += [campaign] if _is_whole_or_first(view) else []
                result.rows += archived.rows
            else:
                result.waiting.append((campaign, _REASONS[archived.answer]))
            await self._pause()

    async def _lanes_wait(self, view: CampaignView, before_ms: int) -> str:
        """Return why a lane of a campaign stays in Redis; empty if the lane may be archived, or if there are no lanes.

        The first lane is archived when all lanes may be archived, and the other lanes follow. So if any lane is in the
        archive, the first lane is in the archive too.
        """
        ids, header = view.plan.lane_campaigns, header_of(view.plan.sender)
        if not _is_whole_or_first(view):
            return "" if await self._states.read([(ids[0], header)]) else "its first lane is still in Redis"
        for campaign in ids:
            with suppress(CampaignUnknown, CampaignArchived):
                lane = await self._queries.campaign(campaign)
                ended_ms = lane.finished_ms or lane.last_sent_ms or lane.created_ms
                open_messages = sum(lane.counts[state] for state in _OPEN) + lane.retries_waiting
                if lane.state not in _ENDED or open_messages or ended_ms > before_ms:
                    return "one of its lanes has not ended long enough ago"
        return ""

    async def _erase_due(self, sender: SenderId, now_ms: int, result: RetentionResult) -> None:
        before_ms = now_ms - self._rule.archive_s * _MS
        stubs, _ = await self._states.newest([sender], with_erased=False)
        for stub in stubs:
            if stub.state is ArchiveState.ARCHIVED and 0 < stub.ended_ms <= before_ms:
                try:
                    await self.erase(stub)
                except ArchiveError as error:
                    result.failed.append((stub.id, str(error)))
                else:
                    result.erased += [] if is_lane(stub.sender) else [stub.id]
                await self._pause()


def _is_whole_or_first(view: CampaignView) -> bool:
    """Say whether a campaign has no lanes, or is the campaign of the first lane, whose id is shown to people."""
    return view.plan.lane_campaigns[:1] in ([], [view.id])
