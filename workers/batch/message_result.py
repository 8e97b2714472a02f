"""The result of one message of an opened block, and the consequences that a group of results has for the sender."""

import random
from collections.abc import Sequence
from typing import NamedTuple

from times_dispatch.ledger.protocol import BackOffPolicy, BrakeTarget, PushResult
from times_dispatch.ledger.push_results import Consequence, Result
from times_dispatch.ledger.states import Suppression
from times_dispatch.provider.failures import Failure
from times_dispatch.provider.outcomes import BrakeScope, Outcome, Verdict

_PUSH_RESULTS = {
    Verdict.ACCEPTED: PushResult.ACCEPTED,
    Verdict.REJECTED: PushResult.REJECTED,
    Verdict.BRAKE: PushResult.NOT_SENT,
    Verdict.NOT_SENT: PushResult.NOT_SENT,
    Verdict.THROTTLED: PushResult.NOT_SENT,
    Verdict.IN_DOUBT: PushResult.IN_DOUBT,
}
_LABELS = {verdict: verdict.value for verdict in Verdict}
_WEAKER_THAN_FAILURES = frozenset({BackOffPolicy.NEVER, BackOffPolicy.IF_NONE_READABLE})
"""The policies that ``IF_NONE_ACCEPTED`` replaces if a message of the group could not be sent."""
_WIDEST_FIRST = (BrakeScope.PROVIDER, BrakeScope.SENDER, BrakeScope.CAMPAIGN)


class MessageResult(NamedTuple):
    """The result of one message of a block."""

    message_index: int
    """Index of the message in its batch."""
    block: int
    """Number of the block in which the message was opened."""
    outcome: Outcome | None
    """The outcome of the push; None if the push was never begun."""
    parts: int
    """How many SMS parts the message has, by our own count."""
    chain_index: int
    """Index of the provider in the campaign's chain (``Plan.chain``)."""
    suppressed: Suppression | None = None
    """Why the message was suppressed; None if it was not."""

    @property
    def label(self) -> str:
        """The word by which the log counts this result."""
        if self.outcome:
            return _LABELS[self.outcome.verdict]
        return "suppressed" if self.suppressed else "never_begun"


def never_begun(message_index: int, block: int, chain_index: int) -> MessageResult:
    """Return the result of a message whose push was never begun; the message becomes pending again."""
    return MessageResult(message_index, block, None, 0, chain_index)


def ledger_result(result: MessageResult) -> Result:
    """Return the result that the ledger records for one message."""
    outcome = result.outcome
    if result.suppressed:
        return Result(result.message_index, result.block, PushResult.SUPPRESSED, result.suppressed.value)
    if outcome is None:
        return Result(result.message_index, result.block, PushResult.NEVER_BEGUN)
    return Result(
        result.message_index,
        result.block,
        _PUSH_RESULTS[outcome.verdict],
        outcome.code,
        outcome.transaction_id,
        result.parts,
    )


def stops_others(outcome: Outcome) -> bool:
    """Return whether an outcome brakes: the next messages would get the same response."""
    return outcome.verdict is Verdict.BRAKE or outcome.scope is not None


def are_all_accepted(group: Sequence[MessageResult]) -> bool:
    """Return whether the provider accepted each message of a group: such a group is only recorded.

    Most groups are like this, so the recorder asks this once instead of going through the group for each consequence.
    """
    accepted = Verdict.ACCEPTED
    for result in group:
        outcome = result.outcome
        if outcome is None or outcome.verdict is not accepted or outcome.scope is not None:
            return False
    return True


def widest_brake(group: Sequence[MessageResult]) -> Outcome | None:
    """Return the outcome of a group whose brake has the widest scope: a provider, then a sender, then a campaign."""
    brakes = [result.outcome for result in group if result.outcome and stops_others(result.outcome)]
    return min(brakes, key=lambda outcome: _WIDEST_FIRST.index(outcome.scope or BrakeScope.SENDER), default=None)


def consequence_of(group: Sequence[MessageResult], rng: random.Random) -> Consequence:
    """Return what results of one provider mean for the campaign and its sender: a brake, a back-off, or nothing.

    A brake of the provider is the sender's brake here; the dispatcher applies it to the provider's other senders.
    """
    jitter = rng.uniform(0.5, 1.0)
    if (brake := widest_brake(group)) is not None:
        target = BrakeTarget.CAMPAIGN if brake.scope is BrakeScope.CAMPAIGN else BrakeTarget.SENDER
        return Consequence(brake=target, reason=f"{brake.reason} ({brake.code})", jitter=jitter)
    back_off, at_least_s, reason = BackOffPolicy.NEVER, 0.0, ""
    for result in group:
        outcome = result.outcome
        if outcome is None:
            continue
        if outcome.verdict is Verdict.THROTTLED:
            back_off, reason = BackOffPolicy.ALWAYS, outcome.reason
            at_least_s = max(at_least_s, outcome.retry_after_s or 0.0)
        elif outcome.verdict is Verdict.IN_DOUBT and outcome.code == Failure.UNREADABLE_RESPONSE:
            if back_off is BackOffPolicy.NEVER:
                back_off, reason = BackOffPolicy.IF_NONE_READABLE, outcome.reason
        elif outcome.verdict in {Verdict.NOT_SENT, Verdict.IN_DOUBT} and back_off in _WEAKER_THAN_FAILURES:
            back_off, reason = BackOffPolicy.IF_NONE_ACCEPTED, outcome.reason
    return Consequence(back_off=back_off, at_least_s=at_least_s, jitter=jitter, reason=reason)


def part_disagreements(group: Sequence[MessageResult]) -> int:
    """Count the accepted messages for which the provider counted another number of SMS parts than we did."""
    disagreements = 0
    for result in group:
        outcome = result.outcome
        # The outcome has no parts if the provider did not count any.
        if outcome and outcome.parts and outcome.parts != result.parts and outcome.verdict is Verdict.ACCEPTED:
            disagreements += 1
    return disagreements
