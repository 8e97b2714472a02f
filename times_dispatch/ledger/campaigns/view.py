"""The view of a campaign, made from the hashes of the campaign and of its sender."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import msgspec

from times_dispatch.ledger.audit import COUNTERS, reason_with_mismatch
from times_dispatch.ledger.keys import RESEND_PREFIX, STAT_PREFIX, CampaignField, SenderField
from times_dispatch.ledger.lanes.names import header_of
from times_dispatch.ledger.model import CampaignId, CampaignView, Plan, WaitsFor
from times_dispatch.ledger.sender_view import unavailable_providers
from times_dispatch.ledger.states import UNSENT, CampaignState, MessageState

_INDIA = ZoneInfo("Asia/Kolkata")
_SENDING_THROUGH = "sending through "

Fields = dict[str, bytes]
"""The values of a hash, by the names of its fields."""


def stored_rate(value: bytes | str | None) -> float | None:
    """Read a stored rate; return None if no rate is stored, or if the value is damaged."""
    try:
        return float(value or b"")
    except ValueError:
        return None


def read_view(campaign: CampaignId, fields: Fields, codes: Fields, sender: Fields, *, now_s: float) -> CampaignView:
    """Make the view of a campaign from its hashes.

    Args:
        campaign: The id of the campaign.
        fields: The hash of the campaign.
        codes: The hash of its codes.
        sender: The hash of its sender.
        now_s: The time now, in epoch seconds.

    Raises:
        KeyError, ValueError: The hash of the campaign has a missing or damaged field.
    """
    state = CampaignState(fields[CampaignField.STATE].decode())
    plan = msgspec.json.decode(fields[CampaignField.PLAN], type=Plan)
    counters = {name: int(fields.get(name, 0)) for name in COUNTERS}
    reason = fields.get(CampaignField.REASON, b"").decode()
    waits_for = WaitsFor.NOTHING
    if not reason and state is CampaignState.RUNNING:
        if reason := _wait_for_time(fields, plan, now_s):
            waits_for = WaitsFor.START if now_s * 1000 < plan.start_at_ms else WaitsFor.HOURS
            if _waits_for_resume(sender, plan):
                reason = f"{reason}; {_wait_for_sender(sender, plan, now_s)}"
        elif (reason := _wait_for_sender(sender, plan, now_s)) and _SENDING_THROUGH not in reason:
            waits_for = WaitsFor.SENDER
        if plan.retry and waits_for is WaitsFor.NOTHING and not any(counters[unsent.value] for unsent in UNSENT):
            waits_for = WaitsFor.REPORTS
    detail = fields.get(CampaignField.REASON_DETAIL, b"").decode()
    return CampaignView(
        id=campaign,
        state=state,
        reason=reason_with_mismatch(reason, detail, counters),
        plan=plan,
        total=counters["total"],
        batches=int(fields[CampaignField.BATCHES]),
        counts={message_state: counters[message_state.value] for message_state in MessageState},
        codes={code: int(number) for code, number in sorted(codes.items()) if int(number) > 0},
        parts=int(fields.get(CampaignField.PARTS, 0)),
        stats=dict(
            sorted(  # a hash has no order
                (name.removeprefix(STAT_PREFIX), int(number))
                for name, number in fields.items()
                if name.startswith(STAT_PREFIX)
            )
        ),
        created_ms=int(fields[CampaignField.CREATED_MS]),
        sealed_ms=int(fields.get(CampaignField.SEALED_MS, 0)),
        first_sent_ms=int(fields.get(CampaignField.FIRST_SENT_MS, 0)),
        last_sent_ms=int(fields.get(CampaignField.LAST_SENT_MS, 0)),
        finished_ms=int(fields.get(CampaignField.FINISHED_MS, 0)),
        unopened_state=MessageState(fields.get(CampaignField.UNOPENED_STATE, b"p").decode()),
        unopened_before=int(fields.get(CampaignField.UNOPENED_BEFORE, 0)),
        waits_for=waits_for,
        retries_waiting=int(fields.get(CampaignField.RETRIES_WAITING, 0)),
        resends=_resends(fields),
    )


def _resends(fields: Fields) -> list[CampaignId]:
    """Return the campaigns that the hash of a campaign names as its resends, the oldest first."""
    created = [
        (int(value), name.removeprefix(RESEND_PREFIX))
        for name, value in fields.items()
        if name.startswith(RESEND_PREFIX)
    ]
    return [CampaignId(campaign) for _, campaign in sorted(created)]


def india_day(now_s: float) -> int:
    """Return the day as the ledger counts it, see ``day_of`` in ``lua/lib/budget.lua``."""
    return datetime.fromtimestamp(now_s, _INDIA).toordinal() - date(1970, 1, 1).toordinal()


def _wait_for_time(fields: Fields, plan: Plan, now_s: float) -> str:
    """Say until when a campaign waits for its start or its send window; return an empty text if it does not wait."""
    now_ms = now_s * 1000
    starts_ms = max(plan.start_at_ms, int(fields.get(CampaignField.SEND_WINDOW_OPENS_MS, 0)))
    closes_ms = int(fields.get(CampaignField.SEND_WINDOW_CLOSES_MS, 0))
    if now_ms >= starts_ms and (not closes_ms or now_ms < closes_ms):
        return ""
    if now_ms >= starts_ms:
        return "outside its send window"
    if plan.valid_until_ms <= starts_ms:
        return f"sends nothing more: its validity ends at {_minute(plan.valid_until_ms, plan)}, before its hours"
    return f"goes on at {_minute(starts_ms, plan)}"


def _minute(ms: int, plan: Plan) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, ZoneInfo(plan.zone)):%Y-%m-%d %H:%M} {plan.zone}"


def _waits_for_resume(sender: Fields, plan: Plan) -> bool:
    """Say whether a sender sends nothing for a campaign until somebody resumes the sender."""
    unavailable = unavailable_providers(sender)
    braked = {provider for provider in unavailable if unavailable[provider].brake}
    return sender.get(SenderField.PAUSED) == b"1" or braked.issuperset(plan.chain)


def _wait_for_sender(sender: Fields, plan: Plan, now_s: float) -> str:
    """Say why a campaign cannot use its sender or its first provider; return an empty text if it can."""
    resume = f"dispatch sender resume {header_of(plan.sender)}"
    if sender.get(SenderField.PAUSED) == b"1":
        why = sender.get(SenderField.PAUSE_REASON, b"").decode("utf-8", "replace")
        return f"the sender is paused{f' ({why})' if why else ''}: {resume}"
    if int(sender.get(SenderField.FULL_DAY, 0)) == india_day(now_s):
        return "the sender has used up its parts of the day"
    unavailable, reasons = unavailable_providers(sender), list[str]()
    for provider in plan.chain:
        if provider not in unavailable or not unavailable[provider].stops(plan.category):
            return "; ".join([*reasons, f"{_SENDING_THROUGH}{provider}"]) if reasons else ""
        reasons.append(f"provider {provider} is {unavailable[provider].why}")
    if all(unavailable[provider].brake for provider in plan.chain):
        reasons.append(f"when that is fixed: {resume}")
    return "; ".join(reasons)
