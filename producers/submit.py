"""Submits a draft: claims a campaign id, stores the batches one by one, seals the campaign and wakes workers.

No message is sent before the seal. A repeated submit finishes an earlier run that broke off: equal files lead to the
same campaign id and the same batches.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from producers.campaign.file import same_but_for_times
from producers.draft import Draft, RowPass
from producers.errors import CommandFailed, InputInvalid
from producers.memory_check import MemoryCheck
from producers.preflight.forecast import forecast
from producers.preflight.ledger_snapshot import take_snapshot
from times_dispatch.broker.app import BROKER_AWAY, BrokerUnavailable, celery_app, wake_workers
from times_dispatch.broker.queues import queue_lengths
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.id_key import IdKeyGuard
from times_dispatch.ledger.keys import CampaignField, campaign_key
from times_dispatch.ledger.lanes.names import known_lanes
from times_dispatch.ledger.lanes.plans import plans_of_lanes
from times_dispatch.ledger.lanes.split import lane_batches
from times_dispatch.ledger.lanes.whole import whole_state
from times_dispatch.ledger.leases import BatchLeases
from times_dispatch.ledger.model import CampaignId, Plan, Recipients, SenderId
from times_dispatch.ledger.numbers.forgotten_numbers import ForgottenNumbers, without_data
from times_dispatch.ledger.numbers.opt_outs import OptOuts
from times_dispatch.ledger.numbers.samples import NumberSample, NumberSamples
from times_dispatch.ledger.queries import LaneQueries, MessageView
from times_dispatch.ledger.secret_digest import digest_secret
from times_dispatch.ledger.states import CampaignState, MessageState
from times_dispatch.ledger.submission import Begun, BrakeRule, Submissions
from times_dispatch.ledger.tracked_links import LINK_KEY_PURPOSE, LinkNumbers
from times_dispatch.ledger.trail import PROGRAM
from times_dispatch.provider.correlation_ids import new_campaign_id
from times_dispatch.settings.model import Settings
from times_dispatch.settings.prices import max_parts_per_day

BATCH_SIZE = 1000

Progress = Callable[[RowPass], None]
"""A function that is called after each batch."""


class SubmitResult(msgspec.Struct, frozen=True, kw_only=True):
    """The campaign that a submit made, and how many rows were accepted and refused."""

    campaign: CampaignId
    plan: Plan
    state: CampaignState
    already_submitted: bool = False
    """Whether an earlier run had finished the same submit; then this run did nothing, and all counts are 0."""
    source: str = ""
    """The recipients file, with the sheet if the file is a workbook."""
    accepted: int = 0
    refused: dict[str, int] = {}
    """Refused rows by reason, the most frequent reason first."""
    opted_out: int = 0
    """How many accepted messages are suppressed from the start, because their numbers are on the opt-out list."""
    forgotten: int = 0
    """How many accepted messages are suppressed from the start, because their numbers are forgotten."""
    rejects: Path | None = None
    gsm_messages: int = 0
    gsm_parts: int = 0
    ucs2_messages: int = 0
    ucs2_parts: int = 0
    resumed_batches: int = 0
    """How many batches an earlier run had stored."""
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
    actor: str = PROGRAM,
) -> SubmitResult:
    """Submit a draft, finish an earlier run of the same submit, or find that an earlier run has finished it.

    Args:
        draft: the campaign and its recipients.
        settings: the settings, with the sender's limits, the brake and the broker.
        redis: the ledger.
        salt: another salt makes a second campaign of the same files, with another id.
        batch_size: messages in a batch; ignored if an earlier run has chosen a size.
        now: the moment of the submit.
        progress: called after each batch.
        actor: the person who submits, for the sender's trail.

    Raises:
        InputInvalid: no row can be sent, the times forbid it, or the settings have changed since an earlier run.
        CommandFailed: a file changed while it was read, or the campaign does not fit into Redis; no message is sent.
        IdKeyRefused: the settings have an id key that is not the ledger's.
        LanesRefused: the sender has lanes, which the campaign's settings do not allow.
        WorkerTooOld: the sender has lanes, and a worker of a version without lanes runs.
    """
    if draft.campaign.links.written and not settings.link_key:
        raise InputInvalid(f"{draft.paths[0]}: links: tracked links need DISPATCH_LINK_KEY in the environment")
    if settings.id_key:
        await IdKeyGuard(redis, settings.id_key, settings.old_id_key).check_known()
    now = now or datetime.now(UTC)
    plan = draft.campaign.plan(now)
    with draft.read() as row_pass:
        if next(row_pass.batches(1), None) is None:
            raise InputInvalid(_nothing_to_send(draft, row_pass))
    submissions, fingerprint = Submissions(redis), draft.fingerprint.digest(salt)
    memory_check = MemoryCheck(redis, max_share=settings.ledger.max_memory_share)
    if await submissions.find(fingerprint) is None:
        draft.campaign.check(now)
        await memory_check.before()
    campaign = await submissions.claim(fingerprint, plan.sender, CampaignId(new_campaign_id()))
    if await redis.hexists(campaign_key(plan.sender, campaign), CampaignField.ARCHIVE_FOLDER):
        raise InputInvalid(f"submitted before as {campaign}, which is archived; --again sends the campaign once more")
    plan = await with_numbered_links(redis, campaign, plan, settings)
    plans = await plans_of_lanes(
        redis,
        fingerprint,
        campaign,
        plan,
        lanes=settings.senders[plan.sender].lanes,
        max_parts_per_day=max_parts_per_day(plan.sender, settings),
        new_id=new_campaign_id,
    )
    begun_lanes = [
        await submissions.begin(
            of_lane,
            lane_plan,
            batch_size=batch_size,
            brake=brake_rule(settings),
            price_micros=int((draft.campaign.budget.price or 0) * 1_000_000),
        )
        for of_lane, lane_plan in plans.items()
    ]
    states = [begun.state for begun in begun_lanes]
    if CampaignState.SUBMITTING not in states or CampaignState.CANCELLED in states:
        state = whole_state(states)
        return SubmitResult(campaign=campaign, plan=begun_lanes[0].plan, state=state, already_submitted=True)
    draft.campaign.check(now)
    for of_lane, begun in zip(plans, begun_lanes, strict=True):
        _check_stored_plan(of_lane, plans[of_lane], begun.plan, now)
    sample = NumberSample()
    with draft.read() as row_pass:
        try:
            stored, opted_out, forgotten = await _store_batches(
                redis,
                dict(zip(plans, begun_lanes, strict=True)),
                row_pass,
                progress,
                memory_check=memory_check,
                sample=sample,
                forget_key=settings.forget_key,
            )
        except UnicodeDecodeError:  # the file was UTF-8 when it was opened
            raise _file_changed(campaign) from None
        if not draft.fingerprint.still_matches():
            raise _file_changed(campaign)
        rejects = row_pass.keep_rejects()
    await apply_limits(redis, plan.sender, settings)
    counts, accepted = row_pass.checker.parts_counter, row_pass.checker.accepted
    expected = forecast(
        draft.campaign,
        await take_snapshot(redis, plan),
        rows=accepted,
        parts=counts.gsm_parts + counts.ucs2_parts,
        now=now,
    )
    await NumberSamples(redis).keep(campaign, begun_lanes[0].plan, sample, now)
    states = [
        await submissions.seal(
            of_lane,
            lane_plan.sender,
            total=stored[of_lane].messages,
            batches=stored[of_lane].batches,
            actor="" if at else actor,
            refused={} if at else row_pass.checker.refused_by_reason,
            announced=accepted,
        )
        for at, (of_lane, lane_plan) in enumerate(plans.items())
    ]
    broker_warning = await notify_workers(redis, settings, plan.sender)
    return SubmitResult(
        campaign=campaign,
        plan=begun_lanes[0].plan,
        state=whole_state(states),
        source=draft.file.source,
        accepted=accepted,
        refused=dict(row_pass.checker.refused.most_common()),
        opted_out=opted_out,
        forgotten=forgotten,
        rejects=rejects,
        gsm_messages=counts.gsm_messages,
        gsm_parts=counts.gsm_parts,
        ucs2_messages=counts.ucs2_messages,
        ucs2_parts=counts.ucs2_parts,
        resumed_batches=sum(begun.batches for begun in begun_lanes),
        warnings=(
            *draft.campaign.warnings(now),
            *row_pass.warnings(),
            *expected.problems,
            *([broker_warning] if broker_warning else []),
        ),
    )


async def notify_workers(redis: Redis, settings: Settings, sender: SenderId) -> str:
    """Issue the sender's next batches, in all its lanes, and wake workers for them.

    Returns a warning if the broker cannot be reached, and upkeep wakes the workers later; otherwise an empty text.
    """
    leases = BatchLeases(redis, lease_s=settings.worker.lease_s)
    issued = [batch for lane in await known_lanes(redis, sender) for batch in await leases.issue(lane)]
    try:
        await wake_workers(celery_app(settings), issued)
        if not issued and settings.broker_url != settings.redis_url:
            # The sender's batches are out already: only this check tells the user that later wake-ups get lost.
            await queue_lengths(settings, redis)
    except BrokerUnavailable as away:
        return str(away)
    except (OSError, RedisError):
        return BROKER_AWAY
    return ""


async def with_numbered_links(redis: Redis, campaign: CampaignId, plan: Plan, settings: Settings) -> Plan:
    """Return the plan with the number of a campaign with tracked links, and with the digest of the link key."""
    if plan.tracked_links is None:
        return plan
    number = await LinkNumbers(redis).number(plan.sender, campaign)
    digest = digest_secret(settings.link_key, purpose=LINK_KEY_PURPOSE)
    links = msgspec.structs.replace(plan.tracked_links, number=number, key_digest=digest)
    return msgspec.structs.replace(plan, tracked_links=links)


class _StoredLane(msgspec.Struct):
    """The part of a lane's campaign that the ledger has stored."""

    messages: int = 0
    batches: int = 0


async def _store_batches(
    redis: Redis,
    begun_lanes: Mapping[CampaignId, Begun],
    row_pass: RowPass,
    progress: Progress | None,
    *,
    memory_check: MemoryCheck,
    sample: NumberSample,
    forget_key: bytes,
) -> tuple[dict[CampaignId, _StoredLane], int, int]:
    """Store the batches that an earlier run did not store, and compare the other batches with the stored ones.

    A message whose number is on the opt-out list stays in its batch and is suppressed there, so that a repeated submit
    makes the same batches although the list has changed.

    Args:
        redis: the ledger.
        begun_lanes: the campaign of each lane, with the batches that an earlier run has stored, and the batch size.
        row_pass: the pass that reads the rows.
        progress: called after each batch.
        memory_check: refuses the campaign if it does not fit into Redis.
        sample: collects the numbers of all batches.
        forget_key: the key of the digests of forgotten numbers.

    Returns:
        How many messages and batches each campaign has, how many messages are suppressed as opted out, and how many
        because their numbers are forgotten.

    Raises:
        InputInvalid: a batch differs from the stored one, because the settings have changed.
        CommandFailed: the campaign does not fit into Redis.
    """
    submissions, queries, campaigns = Submissions(redis), LaneQueries(redis), list(begun_lanes)
    views = {campaign: await queries.campaign(campaign) for campaign in campaigns}
    opt_outs = OptOuts(redis)
    has_opt_outs = not await opt_outs.is_empty()
    forgotten_numbers = ForgottenNumbers(redis, forget_key)
    lanes, opted_out, forgotten_rows = {campaign: _StoredLane() for campaign in campaigns}, 0, 0
    size = begun_lanes[campaigns[0]].batch_size
    storing: asyncio.Task[None] | None = None
    try:
        for lane, number, batch in lane_batches(row_pass.batches(size), lanes=len(campaigns), size=size):
            campaign = campaigns[lane]
            begun = begun_lanes[campaign]
            forgotten = await forgotten_numbers.positions(batch.to)
            batch = without_data(batch, forgotten)  # noqa: PLW2901  # from here on, nothing may read the number
            sample.add(batch.to)
            forgotten_rows += len(forgotten)
            if number >= begun.batches:
                on_list = await opt_outs.contains(batch.to) if has_opt_outs else []
                suppressed = [index for index, is_on_list in enumerate(on_list) if is_on_list]
                opted_out += len(set(suppressed).difference(forgotten))
                if storing:
                    await storing
                    await memory_check.while_stored(
                        campaigns[0],
                        begun_lanes[campaigns[0]].plan.sender,
                        stored=sum(stored.batches for stored in lanes.values()),
                        batch_size=size,
                        fraction=row_pass.fraction(),
                    )
                storing = asyncio.create_task(
                    submissions.add_batch(
                        campaign, begun.plan.sender, number, batch, opted_out=suppressed, forgotten=forgotten
                    )
                )
                await asyncio.sleep(0)  # sends the batch, so that Redis stores it while the next rows are checked
            else:
                stored_rows = [message async for message in queries.batch(views[campaign], number)]
                if not _is_stored(batch, stored_rows):
                    # A batch that is shifted by one row would send a message twice.
                    raise _settings_changed(campaigns[0])
                opted_out += sum(message.record.state is MessageState.SUPPRESSED for message in stored_rows) - len(
                    forgotten
                )
            lanes[campaign].batches += 1
            lanes[campaign].messages += len(batch.to)
            if progress:
                progress(row_pass)
    finally:
        if storing:
            await storing
    if any(lanes[campaign].batches < begun.batches for campaign, begun in begun_lanes.items()):
        raise _settings_changed(campaigns[0])
    return lanes, opted_out, forgotten_rows


def _is_stored(batch: Recipients, stored: Sequence[MessageView]) -> bool:
    rows = zip(batch.lines, batch.to, zip(*batch.slots, strict=True) if batch.slots else repeat(()), strict=False)
    return [(line, to, list(values)) for line, to, values in rows] == [(row.line, row.to, row.slots) for row in stored]


async def apply_limits(redis: Redis, sender: SenderId, settings: Settings) -> None:
    """Store the rate and the daily cap of a sender that the settings have."""
    control = Control(redis)
    await control.configure_rate(sender, settings.senders[sender].rate_per_s, lanes=settings.senders[sender].lanes)
    await control.configure_daily_cap(sender, max_parts_per_day(sender, settings))


def _check_stored_plan(campaign: CampaignId, plan: Plan, stored: Plan, now: datetime) -> None:
    """Raise InputInvalid if the plan of an earlier run differs from today's, or its validity has ended."""
    if not same_but_for_times(plan, stored):
        raise _settings_changed(campaign)
    if stored.valid_until_ms <= now.timestamp() * 1000:
        raise InputInvalid(
            f"campaign {campaign}: its validity has ended before its submit finished; submit with --again"
        )


def brake_rule(settings: Settings) -> BrakeRule:
    """Return the limits of the settings above which a campaign is braked."""
    brake = settings.brake
    return BrakeRule(
        pushes=brake.rejected_of_last,
        rejected_share=brake.rejected_share,
        reports=brake.failed_of_last,
        failed_share=brake.failed_share,
    )


def _nothing_to_send(draft: Draft, row_pass: RowPass) -> str:
    reasons = ", ".join(f"{rows:,} {reason}" for reason, rows in row_pass.checker.refused.most_common(3))
    return f"{draft.paths[1]}: no row can be used ({reasons}); see {row_pass.keep_rejects()}"


def _file_changed(campaign: CampaignId) -> CommandFailed:
    return CommandFailed(f"campaign {campaign}: a file changed while it was read; nothing is sent, submit again")


def _settings_changed(campaign: CampaignId) -> InputInvalid:
    return InputInvalid(
        f"campaign {campaign}: the settings have changed since its submit broke off; "
        f"restore them and submit again, or cancel it (dispatch cancel {campaign}) and submit with --again"
    )
