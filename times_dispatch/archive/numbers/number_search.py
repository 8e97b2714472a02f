"""The search for a phone number in all archives.

A search reads a kilobyte of the filter of each archive. Of archives that may have the number, it reads the column of
numbers, eight bytes a message before compression, and the rows that have the number. docs/performance.md has the time.
"""

import asyncio
from typing import Final

import msgspec

from times_dispatch.archive.catalog import Archive, Catalog
from times_dispatch.archive.errors import ArchiveError
from times_dispatch.ledger.archive_states import ArchiveState, ArchiveStub
from times_dispatch.ledger.errors import CampaignDamaged, CampaignUnknown
from times_dispatch.ledger.lanes.whole import lane_offset
from times_dispatch.ledger.numbers.history import NumberHistory, NumberMessage, number_message

_AT_ONCE: Final = 4
"""The number of archives that are searched at the same time."""


async def with_archived(catalog: Catalog, history: NumberHistory, number: str) -> NumberHistory:
    """Return the history of a number with the messages from archives; archives that cannot be read are named.

    The archives of a forgotten number are sealed, and are not searched. Raises ``ForgetKeyRefused``.
    """
    if (await catalog.forgotten.contain([number]))[0]:
        return msgspec.structs.replace(history, is_forgotten=True)
    stubs = [stub for stub in await catalog.all_archived() if stub.state is ArchiveState.ARCHIVED]
    if not stubs:
        return history
    at_once = asyncio.Semaphore(_AT_ONCE)

    async def search(stub: ArchiveStub) -> list[NumberMessage] | ArchiveError:
        async with at_once:
            try:
                messages = await asyncio.to_thread(_search, catalog.archive, stub, number)
                return [await _of_whole_campaign(catalog, message) for message in messages]
            except ArchiveError as error:
                return error

    results = await asyncio.gather(*map(search, stubs))
    messages = [message for result in results if not isinstance(result, ArchiveError) for message in result]
    return msgspec.structs.replace(
        history,
        messages=sorted([*history.messages, *messages], key=lambda message: -message.campaign.created_ms),
        damaged=[*history.damaged, *(str(result) for result in results if isinstance(result, ArchiveError))],
    )


async def _of_whole_campaign(catalog: Catalog, message: NumberMessage) -> NumberMessage:
    """Return a message with the whole campaign instead of the campaign of a lane."""
    lane = message.campaign
    if not lane.plan.lane_campaigns:
        return message
    try:
        whole = await catalog.campaign(lane.plan.lane_campaigns[0])
    except (CampaignUnknown, CampaignDamaged):  # then the campaign of the lane is shown
        return message
    return msgspec.structs.replace(message, campaign=whole, index=message.index + lane_offset(whole, lane.id))


def _search(archive: Archive, stub: ArchiveStub, number: str) -> list[NumberMessage]:
    if not archive.may_hold(stub, number):
        return []
    manifest = archive.read_manifest(stub)
    with archive.rows(stub, manifest) as reader:
        rows = list(reader.rows_with(number))
    view = manifest.view() if rows else None
    return [number_message(view, row.columns, 0, clicked=bool(row.clicked[0])) for row in rows if view]
