"""The archived campaigns, in the form that a recount of the statistics needs."""

from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from times_dispatch.archive.catalog import Archive, Catalog
from times_dispatch.archive.manifest import Manifest
from times_dispatch.ledger.archive_states import ArchiveState, ArchiveStub
from times_dispatch.ledger.keys import CampaignField
from times_dispatch.ledger.records import MessageRecord
from times_dispatch.ledger.states import MessageState
from times_dispatch.ledger.statistics.recount import ArchivedMessages, CountedMessage

_INDIA = ZoneInfo("Asia/Kolkata")


class Recountable(NamedTuple):
    """Archived campaigns that can be recounted."""

    campaigns: AsyncIterator[ArchivedMessages]
    first_day: date | None
    """The days before this day have erased messages; None if no archive is erased."""


async def recountable(catalog: Catalog) -> Recountable:
    """Return the archived campaigns of a ledger for a recount; reading the campaigns raises ``ArchiveError``."""
    stubs = await catalog.all_archived()
    erased = [stub.ended_ms for stub in stubs if stub.state is ArchiveState.ERASED]
    first_day = None
    if erased:
        first_day = datetime.fromtimestamp(max(erased) / 1000, _INDIA).date() + timedelta(days=1)
    return Recountable(_campaigns(catalog, [s for s in stubs if s.state is ArchiveState.ARCHIVED]), first_day)


async def _campaigns(catalog: Catalog, stubs: Sequence[ArchiveStub]) -> AsyncIterator[ArchivedMessages]:
    for stub in stubs:
        yield archived_messages(catalog.archive, stub, await catalog.archive.manifest(stub))


def archived_messages(archive: Archive, stub: ArchiveStub, manifest: Manifest) -> ArchivedMessages:
    """Return one archived campaign for a recount; reading the messages raises ``ArchiveError``."""
    price = int(manifest.fields.get(CampaignField.PRICE, 0))
    return ArchivedMessages(manifest.view(), price, manifest.statistics, _messages(archive, stub, manifest))


async def _messages(archive: Archive, stub: ArchiveStub, manifest: Manifest) -> AsyncIterator[Sequence[CountedMessage]]:
    async for rows in archive.groups(stub, manifest):
        records, parts = rows.columns.records, rows.columns.recipients.parts
        columns = zip(
            records.states,
            records.attempts,
            records.codes,
            records.sent_ms,
            records.reported_s,
            records.chain_indexes,
            strict=True,
        )
        yield [
            CountedMessage(
                MessageRecord(index, MessageState(state), attempt, code, sent_ms, reported_s, "", chain_index),
                parts[index],
                bytes.fromhex(rows.attempts[index]),
            )
            for index, (state, attempt, code, sent_ms, reported_s, chain_index) in enumerate(columns)
        ]
