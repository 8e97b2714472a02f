"""The catalog of all campaigns, in Redis and in the archive, for callers that only read."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import msgspec
from redis.asyncio import Redis

from times_dispatch.archive.errors import (
    ArchiveDamaged,
    ArchivedCampaignUnreadable,
    ArchiveErased,
    ArchiveError,
    ArchiveKeyMissing,
    ArchiveUnavailable,
)
from times_dispatch.archive.folder import KEY, MANIFEST, NUMBERS, ROWS, ArchiveFolder
from times_dispatch.archive.manifest import Manifest, read_manifest
from times_dispatch.ledger.archive_states import ArchiveState, ArchiveStates, ArchiveStub
from times_dispatch.ledger.batch_columns import BatchColumns, of_whole_campaign, read_batches
from times_dispatch.ledger.campaigns.view import india_day
from times_dispatch.ledger.errors import CampaignArchived, CampaignDamaged, CampaignNotArchived, CampaignUnknown
from times_dispatch.ledger.lanes.names import is_lane
from times_dispatch.ledger.lanes.whole import whole_campaign
from times_dispatch.ledger.model import CampaignId, CampaignView, SenderId
from times_dispatch.ledger.numbers.forgotten_numbers import ForgottenNumbers, without_data
from times_dispatch.ledger.queries import LaneQueries, Queries
from times_dispatch.ledger.statistics.figures import Amounts, total
from times_dispatch.ledger.statistics.rollups import StatisticsReader, day_of

if TYPE_CHECKING:
    from times_dispatch.archive.rows import ArchivedRows, RowReader
    from times_dispatch.archive.wrapped_keys import MasterKeys

_AT_ONCE: Final = 16
"""The number of manifests that are read at the same time."""


class Archive:
    """The archives of one ledger. There may be several folders, because each campaign's stub names a folder."""

    def __init__(self, redis: Redis, keys: "MasterKeys | None" = None) -> None:
        """Make a reader.

        Args:
            redis: the ledger.
            keys: the master keys, which open the rows; None: only manifests can be read.
        """
        self.states = ArchiveStates(redis)
        self._keys = keys
        self._folders: dict[str, ArchiveFolder] = {}

    def folder(self, url: str) -> ArchiveFolder:
        """Return a folder; raise ``ArchiveUnavailable``."""
        if url not in self._folders:
            self._folders[url] = ArchiveFolder(url)
        return self._folders[url]

    async def stub(self, campaign: CampaignId) -> ArchiveStub:
        """Return the stub of an archived campaign; raise ``CampaignUnknown`` or ``CampaignNotArchived``."""
        stub = await self.states.find(campaign)
        if stub is None:
            raise CampaignNotArchived(campaign)
        return stub

    async def stubs(self, campaign: CampaignId) -> list[ArchiveStub]:
        """Return the stubs of an archived campaign and of the campaign's archived lanes.

        Raises:
            CampaignUnknown: no campaign has this id.
            CampaignNotArchived: the campaign is in Redis.
            ArchiveError: the manifest of the campaign cannot be read.
            CampaignDamaged: the manifest of the campaign can be read, but its content is invalid.
        """
        stub = await self.stub(campaign)
        stubs = [stub]
        for lane in (await self.manifest(stub)).view().plan.lane_campaigns:
            with suppress(CampaignUnknown):
                if lane != campaign and (of_lane := await self.states.find(lane)):
                    stubs.append(of_lane)
        return stubs

    async def manifest(self, stub: ArchiveStub) -> Manifest:
        """Return the manifest of an archived campaign; raise ``ArchiveError``."""
        return await asyncio.to_thread(self.read_manifest, stub)

    async def manifests(self, stubs: Sequence[ArchiveStub]) -> list[Manifest | ArchiveError]:
        """Return for each stub the manifest, or the error that prevented reading the manifest."""
        at_once = asyncio.Semaphore(_AT_ONCE)

        async def read(stub: ArchiveStub) -> Manifest | ArchiveError:
            async with at_once:
                try:
                    return await self.manifest(stub)
                except ArchiveError as error:
                    return error

        return await asyncio.gather(*map(read, stubs))

    @contextmanager
    def rows(self, stub: ArchiveStub, manifest: Manifest) -> "Iterator[RowReader]":
        """Open the rows of an archived campaign; raise ``ArchiveError``. This blocks."""
        if stub.state is ArchiveState.ERASED or manifest.erased_ms:
            raise ArchiveErased(f"campaign {stub.id}: {_erased(manifest)}; only its counters are left")
        from times_dispatch.archive.rows import RowReader  # noqa: PLC0415  # pyarrow costs 60 MB

        data_key = self.data_key(stub)
        with self.folder(stub.folder).reading(stub.id, f"{stub.operation}.{ROWS}") as file:
            yield RowReader(file, manifest, data_key=data_key)

    def may_hold(self, stub: ArchiveStub, number: str) -> bool:
        """Say whether an archive may have a message to a number; True also if nothing tells. This blocks.

        An archive of an earlier version has no filter. What is wrong with a filter or a key is no error here, because
        the reader of the rows names what is wrong with them.
        """
        from times_dispatch.archive.numbers.number_filter import may_hold  # noqa: PLC0415  # imports cryptography

        try:
            data_key = self.data_key(stub)
            with self.folder(stub.folder).reading(stub.id, f"{stub.operation}.{NUMBERS}") as file:
                return may_hold(file, number, data_key=data_key, archive=stub.id)
        except ArchiveError:
            return True

    def data_key(self, stub: ArchiveStub) -> bytes:
        """Return the key of an archive; raise ``ArchiveError``. This blocks."""
        wrapped = self.folder(stub.folder).read(stub.id, f"{stub.operation}.{KEY}")
        if wrapped is None:
            raise ArchiveErased(f"campaign {stub.id}: the key of its archive is destroyed; only its counters are left")
        if self._keys is None:
            raise ArchiveKeyMissing(f"archive {stub.id}: cannot be opened here without DISPATCH_ARCHIVE_KEY")
        return self._keys.unwrap(wrapped, archive=stub.id)

    async def rewrap(self, stub: ArchiveStub) -> bool:
        """Wrap the key of an archive with the current master key if the old master key wrapped it; say whether it did.

        If the archive is erased at the same time, no key is left. This call deletes the new key if the ledger says that
        the archive is erased, and the erasure deletes the key a second time after it has noted itself in the ledger.
        Raises ``ArchiveError``.
        """
        is_wrapped = await asyncio.to_thread(self._rewrap, stub)
        if is_wrapped:
            now = await self.states.find(stub.id)
            if now is None or now.state is ArchiveState.ERASED:
                await asyncio.to_thread(self.folder(stub.folder).delete, stub.id, f"{stub.operation}.{KEY}")
        return is_wrapped

    def _rewrap(self, stub: ArchiveStub) -> bool:
        name = f"{stub.operation}.{KEY}"
        self.folder(stub.folder).clean(stub.id)
        wrapped = self.folder(stub.folder).read(stub.id, name)
        if wrapped is None or self._keys is None or self._keys.is_current(wrapped, archive=stub.id):
            return False
        data_key = self._keys.unwrap(wrapped, archive=stub.id)
        self.folder(stub.folder).write(stub.id, name, self._keys.wrap(data_key, archive=stub.id))
        return True

    async def groups(self, stub: ArchiveStub, manifest: Manifest) -> "AsyncIterator[ArchivedRows]":
        """Yield the rows of an archived campaign, group by group; raise ``ArchiveError``."""
        with self.rows(stub, manifest) as reader:
            groups = reader.groups()
            while (group := await asyncio.to_thread(next, groups, None)) is not None:
                yield group

    def read_manifest(self, stub: ArchiveStub) -> Manifest:
        """Return the manifest of an archived campaign; raise ``ArchiveError``. This blocks."""
        folder = self.folder(stub.folder)
        packed = folder.read(stub.id, f"{stub.operation}.{MANIFEST}")
        if packed is None:
            if folder.is_empty():
                raise ArchiveUnavailable(f"archive {stub.id}: {folder.shown} is missing or empty; is it mounted?")
            raise ArchiveDamaged(f"archive {stub.id}: its manifest is missing in {folder.shown}")
        return read_manifest(packed, archive=stub.id, operation=stub.operation)


def _erased(manifest: Manifest) -> str:
    if not manifest.erased_ms:
        return "its archive was erased"
    return f"its archive was erased on {day_of(india_day(manifest.erased_ms / 1000))}"


class Catalog:
    """Reads campaigns in Redis and in the archive in the same way."""

    def __init__(
        self, redis: Redis, keys: "MasterKeys | None" = None, *, forgotten: ForgottenNumbers | None = None
    ) -> None:
        """Make a catalog.

        Args:
            redis: the ledger.
            keys: the master keys, which open the rows of archived campaigns; None: only counters can be read.
            forgotten: the forgotten numbers, whose archived rows are hidden.
        """
        self._redis = redis
        self.forgotten = forgotten or ForgottenNumbers(redis)
        self._queries = Queries(redis)
        self.archive = Archive(redis, keys)

    async def campaign(self, campaign: CampaignId) -> CampaignView:
        """Return one campaign; raise ``CampaignUnknown``, ``CampaignDamaged`` or ``ArchiveError``."""
        try:
            return await self._queries.campaign(campaign)
        except CampaignArchived:
            return await self._with_lanes(await self._lane(campaign))

    async def _lane(self, campaign: CampaignId) -> CampaignView:
        """Return one campaign, or one lane of a campaign, from Redis or from the archive."""
        try:
            return await LaneQueries.campaign(self._queries, campaign)
        except CampaignArchived:
            return (await self.archive.manifest(await self.archive.stub(campaign))).view()

    async def _with_lanes(self, view: CampaignView) -> CampaignView:
        """Return the campaign with all its lanes; some lanes may be in Redis while others are in the archive."""
        lanes = list[CampaignView]()
        for campaign in view.plan.lane_campaigns:
            with suppress(CampaignUnknown):  # the submit was cancelled before this lane began
                lanes.append(view if campaign == view.id else await self._lane(campaign))
        return whole_campaign(lanes) if lanes else view

    async def campaigns(self, *, damaged: list[CampaignDamaged]) -> list[CampaignView]:
        """Return all campaigns except erased campaigns, the newest first."""
        views = await self._queries.campaigns(damaged=damaged)
        stubs = [stub for stub in await self.all_archived() if stub.state is ArchiveState.ARCHIVED]
        stubs = [stub for stub in stubs if not is_lane(stub.sender)]
        return _newest_first([*views, *await self._archived(stubs, damaged)])

    async def live_and_ended(
        self, *, max_ended: int, only_sender: SenderId | None = None, damaged: list[CampaignDamaged]
    ) -> tuple[list[CampaignView], int]:
        """Return all live campaigns and the newest *max_ended* others, as ``Queries.live_and_ended`` does."""
        views, left_out = await self._queries.live_and_ended(
            max_ended=max_ended, only_sender=only_sender, damaged=damaged
        )
        senders = [only_sender] if only_sender else await self._queries.senders()
        stubs, archived_left = await self.archive.states.newest(senders, limit=max_ended)
        ended = sorted(
            [
                *((-view.created_ms, view.id) for view in views if view.finished_ms or view.state == "cancelled"),
                *((-stub.created_ms, stub.id) for stub in stubs),
            ]
        )
        dropped = {campaign for _, campaign in ended[max_ended:]}
        archived = await self._archived([stub for stub in stubs if stub.id not in dropped], damaged)
        kept = [view for view in views if view.id not in dropped]
        return _newest_first([*kept, *archived]), left_out + archived_left + len(dropped)

    async def all_archived(self) -> list[ArchiveStub]:
        """Return all archived campaigns and lanes, including erased campaigns, the newest first."""
        stubs, _ = await self.archive.states.newest(await LaneQueries.senders(self._queries))
        return stubs

    async def statistics(self, view: CampaignView) -> Amounts:
        """Return the statistics of a campaign; raise ``ArchiveError``."""
        if view.lanes:
            return total([await self.statistics(lane) for lane in view.lanes])
        stub = await self.archive.states.find(view.id)
        if stub is None:
            return await StatisticsReader(self._redis).campaign(view.plan.sender, view.id)
        return (await self.archive.manifest(stub)).statistics

    async def batches(self, view: CampaignView) -> AsyncIterator[BatchColumns]:
        """Yield the messages of a campaign as columns; messages to forgotten numbers have no data.

        Raises ``CampaignDamaged``, ``ForgetKeyRefused`` or ``ArchiveError``.
        """
        if view.lanes:
            offset = 0
            for lane in view.lanes:
                async for batch in self.batches(lane):
                    yield of_whole_campaign(batch, offset=offset, later_ms=lane.created_ms - view.created_ms)
                offset += lane.total
            return
        stub, read = await self.archive.states.find(view.id), 0
        if stub is None:
            try:
                async for batch in read_batches(self._redis, view):
                    read = batch.recipients.first + len(batch.recipients.to)
                    yield batch
            except CampaignDamaged:
                # If the campaign was archived meanwhile, the remaining messages are read from the archive.
                stub = await self.archive.states.find(view.id)
                if stub is None:
                    raise
            else:
                return
        async for group in self.archive.groups(stub, await self.archive.manifest(stub)):
            rows = group.after(read)
            if rows is None:
                continue
            hidden = await self.forgotten.positions(rows.columns.recipients.to)
            recipients = without_data(rows.columns.recipients, hidden)
            yield msgspec.structs.replace(rows.columns, recipients=recipients)

    async def _archived(self, stubs: Sequence[ArchiveStub], damaged: list[CampaignDamaged]) -> list[CampaignView]:
        views = list[CampaignView]()
        for stub, manifest in zip(stubs, await self.archive.manifests(stubs), strict=True):
            if isinstance(manifest, ArchiveError):
                damaged.append(ArchivedCampaignUnreadable(stub.id, stub.sender, manifest))
                continue
            try:
                views.append(await self._with_lanes(manifest.view()))
            except CampaignDamaged as damage:
                damaged.append(damage)
            except ArchiveError as error:
                damaged.append(ArchivedCampaignUnreadable(stub.id, stub.sender, error))
        return views


def _newest_first(views: Sequence[CampaignView]) -> list[CampaignView]:
    return sorted(views, key=lambda view: (-view.created_ms, view.id))
