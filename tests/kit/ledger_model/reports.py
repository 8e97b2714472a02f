"""What delivery reports do to the messages of the model."""

from tests.kit.ledger_model.campaign import BatchKey, Message
from tests.kit.ledger_model.model import Model
from times_dispatch.ledger.report_applier import ReportEffect

NOT_ACCEPTED = "psigruex"
"""States in which a provider is not known to have accepted the message."""
NOT_HANDED_OVER = "ruex"
"""States in which the parts of a message do not count as handed to a provider."""

ModelReport = tuple[int, int, str, int]
"""Index in the batch, attempt, kind and code."""


def apply_reports(model: Model, batch_key: BatchKey, reports: list[ModelReport]) -> list[ReportEffect]:
    """Apply reports about one batch; return the effect of each."""
    campaign = model.campaigns[batch_key[0]]
    if batch_key[1] >= campaign.batches:
        return [ReportEffect.UNKNOWN] * len(reports)
    campaign.begun.add(batch_key[1])
    batch = campaign.batch(batch_key[1])
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
        waits = batch_key[1] * campaign.size + index in campaign.waiting
        new_state = state_after_report(message, attempt, kind, waits=waits)
        if not new_state:
            continue
        # The report proves a second try that the ledger lost.
        is_lost = (waits and attempt > message.attempt) or (
            message.has_failed and message.state == "p" and attempt >= message.attempt
        )
        if message.state in NOT_HANDED_OVER or (message.state == "p" and not message.attempt) or is_lost:
            campaign.parts_out += message.parts
        message.attempt = attempt_after_report(message, attempt, kind)
        is_kept = message.has_failed and message.state == "s" and new_state == "a"
        message.state, message.code = new_state, code if new_state == "f" else message.code if is_kept else 0
        message.sent_ms = message.sent_ms or model.now_ms - campaign.created_ms
        effects[position] = ReportEffect.APPLIED
        campaign.waiting.discard(batch_key[1] * campaign.size + index)
        if campaign.wants_second_try(message):
            campaign.waiting.add(batch_key[1] * campaign.size + index)
            campaign.due.add(batch_key[1])
        if new_state == "a":
            campaign.due.add(batch_key[1])
        else:
            campaign.reports.append(new_state == "f")
    campaign.brake_if(campaign.reports, campaign.brake.failed_share, model.now_us)
    campaign.finish_if_done()
    return effects


def attempt_after_report(message: Message, attempt: int, kind: str) -> int:
    """Return the attempt that the record of a message is about after a report changed its state."""
    is_under_way = message.state not in "pig"
    if attempt >= message.attempt:
        return attempt
    if kind == "delivered":
        return attempt if not is_under_way or (message.state != "s" and message.answered) else message.attempt
    return message.attempt if is_under_way else attempt


def state_after_report(message: Message, attempt: int, kind: str, *, waits: bool = False) -> str:
    """Return the state that a report gives to a message; empty if it changes nothing."""
    if waits and attempt > message.attempt and kind != "delivered":
        return "f" if kind == "failed" else "a"
    if message.has_failed and message.state in NOT_ACCEPTED and attempt < message.attempt and kind != "delivered":
        return ""
    can_change = message.state in NOT_ACCEPTED and (message.state != "r" or attempt > message.attempt)
    match kind:
        case "delivered":
            return "d" if message.state != "d" else ""
        case "failed":
            return "f" if can_change or message.state in "an" else ""
        case _:
            return "a" if can_change else ""
