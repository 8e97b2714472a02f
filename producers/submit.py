"""Submitting a draft: claim its id, write its batches as they fill, seal it, ring for it.

Nothing is sent before the seal. The same submit run again finishes one that died, because the campaign's id follows
from the content of the files, and the same files always make the same batches.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path

import msgspec
from redis.asyncio import Redis

from producers.campaign.file import same_but_for_times
from producers.draft import Draft, RowPass
from producers.errors import CommandFailed, InputInvalid
from producers.preflight.forecast import forecast
from producers.preflight.ledger_snapshot import take_snapshot
from times_dispatch.broker.app import BrokerAway, celery_app, wake_workers
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.leases import BatchLeases
from times_dispatch.ledger.model import CampaignId, Plan, Recipients, SenderId
from times_dispatch.ledger.optouts import OptOuts
from times_dispatch.ledger.queries import MessageView, Queries
from times_dispatch.ledger.states import CampaignState, MessageState
from times_dispatch.ledger.submission import Begun, BrakeRule, Submissions
from times_dispatch.provider.ids import new_campaign_id
from times_dispatch.settings.model import Settings
from times_dispatch.settings.prices import max_parts_per_day

BATCH_SIZE = 1000

Progress = Callable[[RowPass], None]
"""Called after each batch."""


class Submitted(msgspec.Struct, frozen=True, kw_only=True):
    """What a submit came to."""

    campaign: CampaignId
    plan: Plan
    state: CampaignState
    already: bool = False
    """An earlier run of the same submit did it all; the counts below are empty."""
    accepted: int = 0
    refused: dict[str, int] = {}
    """Rows by reason."""
    opted_out: int = 0
    """Accepted messages that are suppressed from the start, because their numbers are on the opt-out list."""
    rejects: Path | None = None
    gsm_messages: int = 0
    gsm_parts: int = 0
    ucs2_messages: int = 0
    ucs2_parts: int = 0
    resumed_batches: int = 0
    """Batches that an earlier run had stored."""
    warnings: tuple[str, ...] = ()


async def submit(
    draft: Draft,
    *,
    settings: Settings,
    redis: Redis,
    salt: str = "",
    batch_size: int = BATCH_SIZE,
    now: datetime | None = None,
    progress: Progress | None = None,
) -> Submitted:
    """Submit a draft, or finish an earlier run of the same submit, or find that there is nothing left to do.

    The same files are the same submit; a ``salt`` makes it another. Raises InputInvalid if no row can be sent to, if it
    cannot be sent any more or at any time, or if the settings have changed since an earlier run, and CommandFailed if
    a file changes while it is read: nothing is sent then.
    """
    now = now or datetime.now(UTC)
    plan = draft.campaign.plan(now)
    with draft.read() as reading:
        if next(reading.batches(1), None) is None:
            raise InputInvalid(_nothing_to_send(draft, reading))
    submissions, fingerprint = Submissions(redis), draft.fingerprint.digest(salt)
    if await submissions.find(fingerprint) is None:
        draft.campaign.check(now)
    campaign = await submissions.claim(fingerprint, plan.sender, CampaignId(new_campaign_id()))
    begun = await submissions.begin(campaign, plan, batch_size=batch_size, brake=_brake_rule(settings))
    if begun.state is not CampaignState.SUBMITTING:
        return Submitted(campaign=campaign, plan=begun.plan, state=begun.state, already=True)
    draft.campaign.check(now)
    _check_plan(campaign, plan, begun.plan, now)
    with draft.read() as reading:
        try:
            batches, opted_out = await _write(redis, campaign, begun, reading, progress)
        except UnicodeDecodeError:  # it was UTF-8 when it was opened
            raise _changed(campaign) from None
        if not draft.fingerprint.still_holds():
            raise _changed(campaign)
        rejects = reading.keep_rejects()
    control, sender = Control(redis), settings.senders[plan.sender]
    await control.configure_rate(plan.sender, sender.rate_per_s)
    await control.configure_daily_cap(plan.sender, max_parts_per_day(plan.sender, settings))
    measuring, ledger = reading.rows.measuring, await take_snapshot(redis, plan)
    parts = measuring.gsm_parts + measuring.ucs2_parts
    ahead = forecast(draft.campaign, ledger, rows=reading.rows.accepted, parts=parts, now=now)
    await submissions.seal(campaign, plan.sender, total=reading.rows.accepted, batches=batches)
    return Submitted(
        campaign=campaign,
        plan=begun.plan,
        state=CampaignState.RUNNING if opted_out < reading.rows.accepted else CampaignState.FINISHED,
        accepted=reading.rows.accepted,
        refused=dict(reading.rows.refused.most_common()),
        opted_out=opted_out,
        rejects=rejects,
        gsm_messages=measuring.gsm_messages,
        gsm_parts=measuring.gsm_parts,
        ucs2_messages=measuring.ucs2_messages,
        ucs2_parts=measuring.ucs2_parts,
        resumed_batches=begun.batches,
        warnings=(
            *draft.campaign.warnings(now),
            *reading.warnings(),
            *ahead.problems,
            *filter(None, [await ring_for(redis, settings, plan.sender)]),
        ),
    )


async def _write(
    redis: Redis,
    campaign: CampaignId,
    begun: Begun,
    reading: RowPass,
    progress: Progress | None,
) -> tuple[int, int]:
    """Store the batches that are not stored yet, compare those that are.

    Return how many there are, and how many messages are suppressed because their numbers are on the opt-out list.
    These stay in their batches: the list may change before the submit is run again, and the batches must not.
    """
    submissions, views = Submissions(redis), Queries(redis)
    view = await views.campaign(campaign)
    optouts = OptOuts(redis)
    look_up = not await optouts.is_empty()
    number, opted_out = -1, 0
    storing: asyncio.Task[None] | None = None
    try:
        for number, batch in enumerate(reading.batches(begun.batch_size)):
            if number >= begun.batches:
                on_list = await optouts.contains(batch.to) if look_up else []
                places = [place for place, is_out in enumerate(on_list) if is_out]
                opted_out += len(places)
                if storing:
                    await storing
                storing = asyncio.create_task(
                    submissions.add_batch(campaign, begun.plan.sender, number, batch, opted_out=places)
                )
                await asyncio.sleep(0)  # it is on its way now: Redis works while the next rows are checked
            else:
                stored = [message async for message in views.batch(view, number)]
                if not _equal(batch, stored):
                    # Shifted by one row, the next batch would text somebody twice.
                    raise _settings_changed(campaign)
                opted_out += sum(message.record.state is MessageState.SUPPRESSED for message in stored)
            if progress:
                progress(reading)
    finally:
        if storing:
            await storing
    if number + 1 < begun.batches:
        raise _settings_changed(campaign)
    return number + 1, opted_out


def _equal(batch: Recipients, stored: Sequence[MessageView]) -> bool:
    rows = zip(batch.lines, batch.to, zip(*batch.slots, strict=True) if batch.slots else repeat(()), strict=False)
    return [(line, to, list(values)) for line, to, values in rows] == [(row.line, row.to, row.slots) for row in stored]


def _check_plan(campaign: CampaignId, plan: Plan, stored: Plan, now: datetime) -> None:
    if not same_but_for_times(plan, stored):
        raise _settings_changed(campaign)
    if stored.valid_until_ms <= now.timestamp() * 1000:
        raise InputInvalid(
            f"campaign {campaign}: its validity has ended before it was submitted whole; submit with --again"
        )


def _brake_rule(settings: Settings) -> BrakeRule:
    brake = settings.brake
    return BrakeRule(
        pushes=brake.rejected_of_last,
        rejected_share=brake.rejected_share,
        reports=brake.failed_of_last,
        failed_share=brake.failed_share,
    )


def _nothing_to_send(draft: Draft, reading: RowPass) -> str:
    refused = reading.rows.refused
    reasons = ", ".join(f"{rows:,} {reason}" for reason, rows in refused.most_common(3))
    return f"{draft.paths[1]}: no row can be sent to ({reasons}); see {reading.keep_rejects()}"


def _changed(campaign: CampaignId) -> CommandFailed:
    return CommandFailed(f"campaign {campaign}: a file changed while it was read; nothing is sent, submit again")


def _settings_changed(campaign: CampaignId) -> InputInvalid:
    return InputInvalid(
        f"campaign {campaign}: the settings have changed since its submit was broken off; "
        f"put them back and submit again, or give it up (dispatch cancel {campaign}) and submit with --again"
    )


async def ring_for(redis: Redis, settings: Settings, sender: SenderId) -> str:
    """Hand out the sender's next batches and ring for them; return a warning if nobody could hear it, else nothing."""
    rings = await BatchLeases(redis, lease_s=settings.worker.lease_s).issue(sender)
    try:
        await asyncio.to_thread(wake_workers, celery_app(settings), rings)
    except BrokerAway as away:
        return str(away)
    return ""
