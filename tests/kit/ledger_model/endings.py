"""Endings of messages without a result: the campaign is over, the report is overdue, or the doubt is settled."""

from collections import Counter
from typing import NamedTuple

from tests.kit.ledger_model.campaign import Message, ModelCampaign
from tests.kit.ledger_model.model import Model

NOT_SENT_AGAIN = 16


class ModelSettled(NamedTuple):
    """How many messages were settled in each way."""

    no_report: int
    given_up: int
    requeued: int
    as_sent: int
    second_tries: int = 0


def end_pending(model: Model) -> int:
    """End the pending messages of all campaigns that are over; return the number of messages."""
    return sum(
        end_campaign(model, name, "x" if campaign.state == "cancelled" else "e")
        for name, campaign in model.campaigns.items()
        if campaign.may_end
    )


def end_campaign(model: Model, name: str, state: str) -> int:
    """End pending messages of a campaign that was cancelled (state "x") or expired ("e"); return their number."""
    campaign, ended = model.campaigns[name], 0
    if not (campaign.state == "cancelled" if state == "x" else campaign.expired):
        return 0
    campaign.waiting.clear()
    for number in range(campaign.batches):
        pending = [message for message in campaign.batch(number) if message.state == "p"]
        is_unopened = number not in campaign.begun
        if pending and is_unopened:
            model.out.pop((name, number), None)
            campaign.unopened_state = campaign.unopened_state or state
        if pending and (name, number) not in model.out:
            for message in pending:
                message.state = campaign.unopened_state if is_unopened else state
                if message.has_failed:
                    message.keep_failure()
                elif message.attempt:
                    message.state, message.attempt, message.code = "g", message.attempt - 1, NOT_SENT_AGAIN
            ended += len(pending)
    if not any(message.state == "p" for message in campaign.messages):
        campaign.cursor = campaign.batches
    campaign.may_end = campaign.may_end and campaign.unsent() > 0
    campaign.finish_if_done()
    return ended


def settle_overdue(model: Model) -> tuple[int, int, int, int]:
    """Settle all due batches; return the numbers of messages: no report, given up, requeued, begun second tries."""
    due = sorted(
        (f"{name}:{number}", name, number) for name, campaign in model.campaigns.items() for number in campaign.due
    )
    settled = [settle(model, name, number, "policy") for _, name, number in due]
    return (
        sum(batch.no_report for batch in settled),
        sum(batch.given_up for batch in settled),
        sum(batch.requeued for batch in settled),
        sum(batch.second_tries for batch in settled),
    )


def resolve(model: Model, name: str, how: str) -> int:
    """Settle all messages in doubt of a campaign by a decision of a person now; return the number of messages."""
    batches = range(model.campaigns[name].batches)
    settled = [settle(model, name, number, how, decided_ms=model.now_ms + 1) for number in batches]
    return sum(batch.requeued + batch.as_sent for batch in settled)


def settle(model: Model, name: str, number: int, how: str, *, decided_ms: int = 0) -> ModelSettled:
    """Settle the messages of a batch.

    Args:
        model: the model.
        name: the campaign.
        number: the batch.
        how: ``policy``, or the decision of a person: ``sent`` or ``resend``.
        decided_ms: when the person decided, in milliseconds since the epoch.
    """
    campaign = model.campaigns[name]
    if number not in campaign.begun:
        campaign.due.discard(number)
        return ModelSettled(0, 0, 0, 0)
    batch, changed, is_over = campaign.batch(number), Counter[str](), campaign.expired and not campaign.unsent()
    second_tries = 0
    for index, message in enumerate(batch, number * campaign.size):
        if index in campaign.waiting and how == "policy" and campaign.second_try_ms(message) <= model.now_ms:
            campaign.begin_second_try(index)
            second_tries += 1
            continue
        if message.state == "a" and how == "policy":
            is_overdue = campaign.created_ms + message.sent_ms + campaign.report_wait_ms <= model.now_ms
            new_state = "n" if is_overdue else ""
        elif message.state == "i" and (how == "policy" or campaign.created_ms + message.sent_ms < decided_ms):
            new_state = _state_after_doubt(campaign, message, how, is_over=is_over)
        else:
            continue
        if new_state:
            message.state = new_state
            changed[new_state] += 1
        if new_state == "n":
            message.code = 0
        if new_state == "p":
            message.attempt, message.code, message.answered = message.attempt + 1, 0, False
            message.has_failed = False
    if changed["p"]:
        campaign.second = campaign.second or how == "policy"
    if changed["p"] or second_tries:
        _send_again(model, name, number)
    first = number * campaign.size
    waiting = any(message.state in "ai" for message in batch) or any(
        first <= index < first + campaign.size for index in campaign.waiting
    )
    campaign.due = campaign.due | {number} if waiting else campaign.due - {number}
    if changed or second_tries:
        campaign.finish_if_done()
    return ModelSettled(changed["n"], changed["g"], changed["p"], changed["a"], second_tries)


def _state_after_doubt(campaign: ModelCampaign, message: Message, how: str, *, is_over: bool) -> str:
    """Return the new state of a message in doubt; empty if the message stays in doubt."""
    if how == "sent":
        return "a"
    if how == "resend":
        return "p" if campaign.state != "cancelled" else ""
    if campaign.policy == "resend" and campaign.state != "cancelled" and message.attempt == 0:
        return "p" if campaign.second or is_over else ""
    return "g" if is_over else ""


def _send_again(model: Model, name: str, number: int) -> None:
    campaign = model.campaigns[name]
    if campaign.state == "finished":
        campaign.state = "running"
    if campaign.expired:
        campaign.expired, campaign.may_end = False, True
    if out := model.out.get((name, number)):
        out.first_pending, out.is_out = 0, True
    campaign.waits_until_ms.pop(number, None)
