"""Restores archived campaigns from the folder of the archive alone, after Redis has lost all data.

One atomic step of the ledger restores the stub of a campaign and adds its counters to the statistics of days. So a run
may be repeated, or end at any moment. A campaign that Redis knows is not changed.
"""

import asyncio
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
from redis.asyncio import Redis

from times_dispatch.archive.catalog import Archive
from times_dispatch.archive.erasure.sealing import FORGOTTEN_FOLDER, SEALED_PREFIX, Sealing
from times_dispatch.archive.errors import ArchiveDamaged, ArchiveError
from times_dispatch.archive.folder import KEY, MANIFEST, ROWS, ArchiveFolder
from times_dispatch.archive.manifest import Manifest, read_manifest
from times_dispatch.archive.recountable import archived_messages
from times_dispatch.archive.wrapped_keys import MasterKeys
from times_dispatch.ledger.archive_states import ArchiveState, ArchiveStates, ArchiveStub
from times_dispatch.ledger.errors import CampaignDamaged, ForgetKeyRefused
from times_dispatch.ledger.keys import CampaignField
from times_dispatch.ledger.lanes.names import is_lane
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.numbers.forgotten_numbers import FORGOTTEN, ForgottenNumbers
from times_dispatch.ledger.numbers.opt_outs import OptOuts
from times_dispatch.ledger.statistics.recount import Difference, rollups_of, rollups_without_messages
from times_dispatch.ledger.trail import TrailAction, packed_entry

_DETAIL: Final = "restored from the folder of the archive"
_MAX_ATTEMPTS: Final = 100
"""The maximum number of manifests in the folder of one campaign; an attempt that fails deletes its files."""
_CAMPAIGN: Final = re.compile(r"[0-9a-z]+")
"""The form of the id of a campaign, which is the name of the campaign's folder."""


class RebuildResult(msgspec.Struct):
    """The result of one run."""

    restored: list[CampaignId] = []
    known: int = 0
    """The number of campaigns that Redis knew already."""
    sealed: int = 0
    """The number of sealed records, which the ledger knows again and erases in time."""
    forgotten: int = 0
    """The number of forgotten phone numbers that were restored."""
    differences: list[str] = []
    """The differences between the rows and the counters of campaigns that were restored."""
    skipped: list[str] = []
    """Names in the folder that belong to no campaign, such as ``lost+found`` on a separate disk."""
    failed: list[tuple[str, str]] = []
    """Folders that could not be read, each with the error."""


class _Match(NamedTuple):
    """A campaign in the folder."""

    stub: ArchiveStub
    manifest: Manifest


class ArchiveRebuild:
    """Restores the campaigns of one folder."""

    def __init__(
        self, redis: Redis, folder: ArchiveFolder, keys: MasterKeys, *, forgotten: ForgottenNumbers, actor: str
    ) -> None:
        """Make a rebuild.

        Args:
            redis: the ledger.
            folder: the folder of the archive.
            keys: the master keys, which open the rows, from which the statistics of days are counted.
            forgotten: the list of forgotten numbers, which is restored.
            actor: the person or process that rebuilds, for the trail.
        """
        self._redis = redis
        self._folder = folder
        self._states = ArchiveStates(redis)
        self._archive = Archive(redis, keys)
        self._sealing = Sealing(redis, folder, keys)
        self._forgotten = forgotten
        self._actor = actor

    async def run(self) -> RebuildResult:
        """Restore everything in the folder; raise ``ArchiveUnavailable`` if the folder cannot be listed."""
        result = RebuildResult()
        for name in await asyncio.to_thread(self._folder.archives):
            try:
                if name == FORGOTTEN_FOLDER:
                    await self._restore_forgotten(result)
                elif name.startswith(SEALED_PREFIX):
                    await self._sealing.restore(name)
                    result.sealed += 1
                elif not _CAMPAIGN.fullmatch(name):
                    result.skipped.append(name)
                else:
                    await self._restore(CampaignId(name), result)
            except (ArchiveError, CampaignDamaged, ForgetKeyRefused) as error:
                result.failed.append((name, str(error)))
        return result

    async def _restore_forgotten(self, result: RebuildResult) -> None:
        self._forgotten.check_key(await asyncio.to_thread(self._sealing.key_digests))
        digests = await asyncio.to_thread(self._sealing.forgotten_digests)
        for digest in digests:
            await self._forgotten.add_digest(digest)
        if digests:
            await OptOuts(self._redis).add([FORGOTTEN])
        result.forgotten += len(digests)

    async def _restore(self, campaign: CampaignId, result: RebuildResult) -> None:
        match = await asyncio.to_thread(self._find, campaign)
        if match is None:
            return  # an attempt ended before it wrote the manifest
        stub, manifest = match
        if await self._states.is_known(stub):
            result.known += 1
            return
        if stub.state is ArchiveState.ERASED:
            rollups, differences = rollups_without_messages(manifest.view(), manifest.statistics), list[Difference]()
        else:
            rollups, differences = await rollups_of(archived_messages(self._archive, stub, manifest))
        trail = packed_entry(self._actor, TrailAction.ARCHIVED, campaign=campaign, detail=_DETAIL)
        if await self._states.restore(stub, rollups=rollups, trail=trail):
            result.restored += [] if is_lane(stub.sender) else [campaign]
        else:
            result.known += 1
        result.differences += [
            f"{each.where}: {each.field} is {each.counted:,} and {each.recounted:,} by the rows" for each in differences
        ]

    def _find(self, campaign: CampaignId) -> _Match | None:
        """Return the newest complete archive of a campaign; None if there is none. This method blocks."""
        names = self._folder.names(campaign)
        operations = [name.removesuffix(f".{MANIFEST}") for name in names if name.endswith(f".{MANIFEST}")]
        if len(operations) > _MAX_ATTEMPTS:
            raise ArchiveDamaged(f"archive {campaign}: has {len(operations):,} manifests")
        manifests = [self._manifest(campaign, operation) for operation in operations]
        # Of two complete attempts, the later attempt has the changes that came between them.
        whole = [each for each in manifests if _is_whole(each, names)] or manifests
        if not whole:
            return None
        manifest = max(whole, key=lambda each: each.archived_ms)
        fields, plan = manifest.fields, manifest.view().plan
        is_readable = not manifest.erased_ms and f"{manifest.operation}.{KEY}" in names
        if plan.sender != manifest.sender:
            raise ArchiveDamaged(f"archive {campaign}: its manifest names two senders")
        ended_ms = fields.get(CampaignField.FINISHED_MS) or fields.get(CampaignField.LAST_SENT_MS)
        stub = ArchiveStub(
            id=campaign,
            sender=manifest.sender,
            state=ArchiveState.ARCHIVED if is_readable else ArchiveState.ERASED,
            operation=manifest.operation,
            folder=self._folder.url,
            name=plan.name,
            template=plan.template,
            created_ms=int(fields[CampaignField.CREATED_MS]),
            ended_ms=int(ended_ms or fields[CampaignField.CREATED_MS]),
        )
        return _Match(stub, manifest)

    def _manifest(self, campaign: CampaignId, operation: str) -> Manifest:
        packed = self._folder.read(campaign, f"{operation}.{MANIFEST}")
        if packed is None:
            raise ArchiveDamaged(f"archive {campaign}: its manifest is gone")
        return read_manifest(packed, archive=campaign, operation=operation)


def _is_whole(manifest: Manifest, names: Sequence[str]) -> bool:
    return all(f"{manifest.operation}.{kind}" in names for kind in (KEY, ROWS))
