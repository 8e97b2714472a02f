"""Opts out the people who replied to a message with a stop word after the campaign was archived."""

import asyncio
from typing import Final

from redis.asyncio import Redis

from times_dispatch.archive.catalog import Archive
from times_dispatch.archive.errors import ArchiveErased, ArchiveError
from times_dispatch.archive.manifest import Manifest
from times_dispatch.ledger.archive_states import ArchiveStub
from times_dispatch.ledger.errors import CampaignUnknown
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.numbers.forgotten_numbers import FORGOTTEN, ForgottenNumbers
from times_dispatch.ledger.numbers.opt_outs import OptOuts
from times_dispatch.ledger.reports.late_stops import LateStops

_UNKNOWN: Final = ""


async def opt_out_late(
    redis: Redis, archive: Archive, forgotten: ForgottenNumbers
) -> tuple[int, dict[CampaignId, Exception]]:
    """Opt out the numbers of late stop replies; return their count, and the error of each unreadable archive.

    The replies to a campaign that cannot be read stay noted. A forgotten number gets no message anyway, and is not put
    on the opt-out list. Raises ``ForgetKeyRefused`` if the key of forgotten numbers is missing or wrong.
    """
    stops, opt_outs, opted_out = LateStops(redis), OptOuts(redis), 0
    errors = dict[CampaignId, Exception]()
    for campaign, index in await stops.all():
        try:
            number = await _number(archive, campaign, index)
        except ArchiveError as error:
            errors[campaign] = error
            continue
        if number not in {_UNKNOWN, FORGOTTEN} and not (await forgotten.contain([number]))[0]:
            opted_out += await opt_outs.add([number])
        await stops.remove(campaign, index)
    return opted_out, errors


async def _number(archive: Archive, campaign: CampaignId, index: int) -> str:
    """Return the number of an archived message; empty if the campaign is erased or unknown."""
    try:
        stub = await archive.stub(campaign)
        return await asyncio.to_thread(_read, archive, stub, await archive.manifest(stub), index)
    except (ArchiveErased, CampaignUnknown):
        return _UNKNOWN


def _read(archive: Archive, stub: ArchiveStub, manifest: Manifest, index: int) -> str:
    with archive.rows(stub, manifest) as reader:
        return reader.number_at(index)
