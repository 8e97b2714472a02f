"""The names of messages' error codes: each code with its origin."""

from typing import Final

from times_dispatch.ledger.keys import CodeOrigin
from times_dispatch.ledger.model import RetryRule
from times_dispatch.ledger.states import SUPPRESSION_REASONS, MessageState

CODE_ORIGINS: Final = {
    MessageState.PENDING: CodeOrigin.RETRY,
    MessageState.FAILED: CodeOrigin.REPORT,
    MessageState.REJECTED: CodeOrigin.PUSH,
    MessageState.IN_DOUBT: CodeOrigin.PUSH,
    MessageState.GIVEN_UP: CodeOrigin.PUSH,
    MessageState.SUPPRESSED: CodeOrigin.SUPPRESSED,
}
"""The states in which a message's code names an error, with the origin of the code."""

_TRIED_AGAIN: Final = (MessageState.PENDING, MessageState.SENDING, MessageState.ACCEPTED)
"""The states in which a message may have the code of an earlier attempt that failed."""


def code_name(state: MessageState, code: int, *, retry: RetryRule | None) -> str:
    """Return a message's error code with its origin, ``report:910``; empty if the message has no error.

    Args:
        state: the state of the message.
        code: the code in the message's record.
        retry: the campaign's rule for second tries. A message that is sent again by this rule has the code of the
            failed report.
    """
    if retry and state in _TRIED_AGAIN and code in retry.codes:
        return f"{CodeOrigin.REPORT}:{code}"
    if not code or state not in CODE_ORIGINS:
        return ""
    return f"{CodeOrigin.SUPPRESSED if code in SUPPRESSION_REASONS else CODE_ORIGINS[state]}:{code}"
