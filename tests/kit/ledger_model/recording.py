"""The results of pushes, which change the messages, the parts and the brakes of the model."""

from dataclasses import dataclass

from tests.kit.ledger_model.blocks import ModelLeaseLost
from tests.kit.ledger_model.campaign import BatchKey, Message, ModelCampaign
from tests.kit.ledger_model.model import Model, day_of
from tests.kit.ledger_model.providers import Pushed
from times_dispatch.ledger.protocol import BrakeTarget
from times_dispatch.ledger.push_results import Consequence


@dataclass(frozen=True, order=True)
class ModelResult:
    """The result of the push of one message."""

    index: int
    block: int
    result: str
    code: int


def record(
    model: Model,
    batch_key: BatchKey,
    token: int,
    results: list[ModelResult],
    *,
    consequence: Consequence,
    provider: str,
) -> int:
    """Record results; return how many of them changed a message.

    Args:
        model: The model.
        batch_key: The batch.
        token: The fencing token of the worker.
        results: One result for each message.
        consequence: The consequence of the results for the sender and the campaign.
        provider: The provider through which the messages were pushed.
    """
    if not model.holds(batch_key, token):
        raise ModelLeaseLost
    campaign, out = model.campaigns[batch_key[0]], model.out[batch_key]
    batch = campaign.batch(batch_key[1])
    changed, accepted, rejected, suppressed = 0, 0, 0, 0
    unsent: list[Message] = []
    for pushed in sorted(results):
        index, result, code, message = pushed.index, pushed.result, pushed.code, batch[pushed.index]
        if pushed.block > out.blocks:  # the ledger lost the block
            in_campaign = batch_key[1] * campaign.size + index
            if in_campaign in campaign.waiting and result not in "pb":
                campaign.begin_second_try(in_campaign)
            regained = _regain(model, campaign, message, pushed)
            changed, accepted = changed + regained, accepted + (regained and result == "a")
            continue
        if message.block != pushed.block:
            continue
        if message.state == "s":
            _apply(message, result, code)
            changed += 1
            if result not in "ai":
                unsent.append(message)
            if result in "pb" and index < out.first_pending:
                out.first_pending, out.is_out = index, True
            accepted, rejected = accepted + (result == "a"), rejected + (result == "r")
            suppressed += result == "u"
            if result in "ar":
                campaign.pushes.append(result == "r")
        elif result == "a" and message.state in "adf" and not message.answered:
            message.answered, accepted = True, accepted + 1
        elif result in "pbru" and message.attempt and message.state in "adf" and not message.answered:
            changed += _take_back(message)
            unsent.append(message)
    if changed or accepted or unsent:
        _return_parts(model, campaign, unsent)
        campaign.brake_if(campaign.pushes, campaign.brake.rejected_share, model.now_us)
        _conclude(model, campaign, provider, Pushed(accepted, rejected, suppressed), consequence)
    return changed


def _apply(message: Message, result: str, code: int) -> None:
    message.state = "p" if result == "b" else result
    if result not in "ai":
        message.block = 0  # no other result of the block counts
    if not message.has_failed or result == "i":
        message.code = code
    if message.has_failed and result in "ru":
        message.keep_failure()
    elif message.attempt and result in "ru":
        message.state, message.attempt = "g", message.attempt - 1
    message.answered = result == "a"


def _take_back(message: Message) -> bool:
    """Return to the attempt that a report proved, as the later attempt was not sent; return whether it had failed."""
    message.block = 0
    if message.state == "a" and message.has_failed and message.code:
        message.keep_failure()
        return True
    message.attempt -= 1
    return False


def _regain(model: Model, campaign: ModelCampaign, message: Message, result: ModelResult) -> bool:
    """Record the result of a message in a block that the ledger lost; return whether the message changed."""
    if message.state != "p" or result.result in "pb":
        return False
    message.state, message.block = result.result, result.block
    if not message.has_failed or result.result == "i":
        message.code = result.code
    message.answered, message.sent_ms = result.result == "a", model.now_ms - campaign.created_ms
    if result.result in "ai":
        campaign.parts_out += message.parts
    elif message.has_failed:
        message.keep_failure()
    elif message.attempt:
        message.state, message.attempt = "g", message.attempt - 1
    return True


def _return_parts(model: Model, campaign: ModelCampaign, unsent: list[Message]) -> None:
    campaign.parts_out -= sum(message.parts for message in unsent)
    sent_today = sum(
        message.parts for message in unsent if day_of(campaign.created_ms + message.sent_ms - 100) == model.today()
    )
    if sent_today and model.max_parts_per_day:
        model.day_parts -= sent_today
        model.full_day = 0


def _conclude(model: Model, campaign: ModelCampaign, provider: str, pushed: Pushed, consequence: Consequence) -> None:
    """Change back-offs and brakes after results.

    Args:
        model: the model.
        campaign: the campaign of the messages.
        provider: the provider of the messages.
        pushed: counts of the results.
        consequence: the consequence of the results for the sender and the campaign.
    """
    is_braked = model.providers.conclude(provider, pushed, consequence, model.now_us)
    if is_braked or consequence.brake == BrakeTarget.SENDER:
        model.brake_provider(provider)
    elif consequence.brake == BrakeTarget.CAMPAIGN:
        campaign.brake_now(model.now_us)
