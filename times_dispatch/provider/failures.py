"""The failures of pushes without a usable response: their codes, their outcomes, and their meanings for people."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from times_dispatch.provider.outcomes import Outcome, Verdict


class Failure(IntEnum):
    """The codes of outcomes without a provider's code; these codes are below 100, and providers' codes are above."""

    DNS = 1
    REFUSED = 2
    CONNECT_TIMEOUT = 3
    TLS = 4
    POOL_TIMEOUT = 5
    UNREACHABLE = 6
    TOKEN_REFUSED = 7
    TOKEN_UNAVAILABLE = 8
    TOO_LATE = 9
    READ_TIMEOUT = 10
    CONNECTION_LOST = 11
    UNREADABLE_RESPONSE = 12
    WORKER_LOST = 13
    UNEXPECTED = 14
    UNSENDABLE = 15
    NOT_SENT_AGAIN = 16
    """The ledger writes this code: the message was in doubt and had to be sent again, but its campaign ended before."""


NOT_SENT: Final = {
    Failure.DNS: "the provider's host name cannot be resolved",
    Failure.REFUSED: "connection refused",
    Failure.CONNECT_TIMEOUT: "no connection in time",
    Failure.TLS: "the TLS or proxy handshake failed",
    Failure.POOL_TIMEOUT: "no free connection in time",
    Failure.UNREACHABLE: "the provider's host cannot be reached",
}
"""The failures that happen before a byte of the request is written, with their texts. A test with a real socket proves
each of them.
"""

_IN_DOUBT: Final = {
    Failure.READ_TIMEOUT: "no response in time",
    Failure.CONNECTION_LOST: "connection lost before the response was complete",
    Failure.UNREADABLE_RESPONSE: "the response cannot be read",
    Failure.UNEXPECTED: "unexpected error during the push",
}


OUTCOMES: Final = {
    failure: Outcome(verdict=verdict, code=failure.value, reason=reason)
    for verdict, reasons in ((Verdict.NOT_SENT, NOT_SENT), (Verdict.IN_DOUBT, _IN_DOUBT))
    for failure, reason in reasons.items()
}
"""The outcome of each failure that a transport distinguishes."""

TOO_LATE: Final = Outcome(
    verdict=Verdict.NOT_SENT, code=Failure.TOO_LATE.value, reason="no connection before the push had to begin"
)
"""The outcome of a push that never began; this outcome has no information about the provider."""

UNSENDABLE: Final = Outcome(
    verdict=Verdict.REJECTED,
    code=Failure.UNSENDABLE.value,
    reason="the message does not fit into the provider's payload",
)
"""The outcome of a message that cannot become a request: it has an unpaired surrogate, or a placeholder without a
value."""


_TEXTS: Final[Mapping[Failure, str]] = {
    **NOT_SENT,
    **_IN_DOUBT,
    Failure.TOKEN_REFUSED: "the token server refuses the credentials, or the provider the token",
    Failure.TOKEN_UNAVAILABLE: "no token in time",
    Failure.TOO_LATE: TOO_LATE.reason,
    Failure.WORKER_LOST: "the worker was lost during the push",
    Failure.UNSENDABLE: UNSENDABLE.reason,
    Failure.NOT_SENT_AGAIN: "in doubt, and not sent again because the campaign ended before",
}
FAILURE_TEXTS: Final[Mapping[int, str]] = {failure.value: text for failure, text in _TEXTS.items()}
"""The meaning of each ``Failure``, for people."""
