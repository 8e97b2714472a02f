"""The effects of delivery reports on the messages of the model."""

from collections.abc import Collection

from tests.kit.ledger_model.campaign import BatchKey, Message
from tests.kit.ledger_model.model import Model
from times_dispatch.ledger.reports.report_applier import ReportEffect

NOT_ACCEPTED = "psigruex"
"""States in which a provider is not known to have accepted the message."""
NOT_HANDED_OVER = "ruex"
"""States in which the parts of a message do not count as handed to a provider."""

ModelReport = tuple[int, int, str, int]
"""Index in the batch, attempt, kind and code."""


def apply_reports(
    model: Model, batch_key: BatchKey, reports: list[ModelReport], *, reacted: Collection[int] = ()
) -> list[ReportEffect]:
    """Apply reports about a batch; return the effect of each. *reacted* has the indexes of messages with reactions."""
    campaign = model.campaigns[batch_key[0]]
    if batch_key[1] >= campaign.batches:
        return [ReportEffect.UNKNOWN] * len(reports)
    campaign.begun.add(batch_key[1])
    batch = campaign.batch(batch_key[1])
    campaign.forbid_second_tries(batch_key[1], reacted)
    effects = [ReportEffect.DUPLICATE] * len(reports)
    # Reports are sorted by message; reports about one message stay in their order.
    for position, (index, attempt, kind, code) in sorted(enumerate(reports), key=lambda item: item[1][0]):
        if index >= len(batch):
            effects[position] = ReportEffect.UNKNOWN
            continue
        message = batch[index]
        if kind == "failed" and attempt < message.attempt:
            effects[position] = ReportEffect.STALE
            continue
        in_campaign = batch_key[1] * campaign.size + index
        waits, has_reaction = in_campaign in campaign.waiting, in_campaign in campaign.reacted
        new_state = state_after_report(message, attempt, kind, waits=waits, has_reaction=has_reaction)
        if not new_state:
            continue
        # The report proves a second try that the ledger lost.
        is_lost = (waits and attempt > message.attempt) or (
            message.has_failed and message.state == "p" and attempt >= message.attempt
        )
        if message.state in NOT_HANDED_OVER or (message.state == "p" and not message.attempt) or is_lost:
            campaign.parts_out += message.parts
        if new_state == "f" and kind != "failed":
            message.keep_failure()
            effects[position] = ReportEffect.APPLIED
            continue
        is_corrected = new_state == "d" and (
            message.state == "f" or (message.has_failed and message.state in NOT_ACCEPTED)
        )
        message.attempt = attempt_after_report(message, attempt, kind)
        is_kept = message.has_failed and message.state == "s" and new_state == "a"
        message.state, message.code = new_state, code if new_state == "f" else message.code if is_kept else 0
        message.sent_ms = message.sent_ms or model.now_ms - campaign.created_ms
        effects[position] = ReportEffect.CORRECTED if is_corrected else ReportEffect.APPLIED
        campaign.waiting.discard(in_campaign)
        if campaign.wants_second_try(message) and not has_reaction:
            campaign.waiting.add(in_campaign)
            campaign.due.add(batch_key[1])
        if new_state == "a":
            campaign.due.add(batch_key[1])
        else:
            campaign.reports.append(new_state == "f")
    campaign.brake_if(campaign.reports, campaign.brake.failed_share, model.now_us)
    campaign.finish_if_done()
    return effects


def attempt_after_report(message: Message, attempt: int, kind: str) -> int:
    """Return the attempt in the record of a message after a report changed the message's state."""
    is_under_way = message.state not in "pig"
    if attempt >= message.attempt:
        return attempt
    if kind == "delivered":
        return attempt if not is_under_way or (message.state != "s" and message.answered) else message.attempt
    return message.attempt if is_under_way or message.has_failed else attempt


def state_after_report(message: Message, attempt: int, kind: str, *, waits: bool, has_reaction: bool) -> str:
    """Return the state that a report gives to a message; empty if the state does not change.

    Args:
        message: the message.
        attempt: the attempt that the report is about.
        kind: the kind of the report.
        waits: whether the message waits for a second try.
        has_reaction: whether somebody reacted to the message.
    """
    if waits and attempt > message.attempt and kind != "delivered":
        return "f" if kind == "failed" else "a"
    is_of_failed = message.has_failed and message.state in NOT_ACCEPTED and attempt < message.attempt
    if is_of_failed and kind != "delivered" and (not has_reaction or message.state == "p"):
        return "f" if has_reaction else ""
    can_change = message.state in NOT_ACCEPTED and (message.state != "r" or attempt > message.attempt)
    match kind:
        case "delivered":
            return "d" if message.state != "d" else ""
        case "failed":
            return "f" if can_change or message.state in "an" else ""
        case _:
            return "a" if can_change else ""
