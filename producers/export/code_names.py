"""The names of messages' error codes: each code with its origin."""

from collections.abc import Sequence
from typing import Final

from times_dispatch.ledger.keys import CodeOrigin
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


def code_name(state: MessageState, code: int, *, retry_codes: Sequence[int] = ()) -> str:
    """Return a message's error code with its origin, ``report:910``; empty if the message has no error.

    A message that is sent again after a failed report has the code of the report, one of *retry_codes*.
    """
    if state in _TRIED_AGAIN and code in retry_codes:
        return f"{CodeOrigin.REPORT}:{code}"
    if not code or state not in CODE_ORIGINS:
        return ""
    return f"{CodeOrigin.SUPPRESSED if code in SUPPRESSION_REASONS else CODE_ORIGINS[state]}:{code}"
