"""What a push without an answer means: not sent if that is proved, in doubt in every other case (docs/concepts.md).

    NotSent             nothing was written; made by a transport that can prove it
    any other error     the request may have been written: in doubt

``httpx.ConnectError`` is no proof: some transports raise it for a connection that was lost after the server had
read the request. Ours (``times_dispatch.provider.http.transport``) raises NotSent until a connection is handed out,
and never after.
"""

from enum import IntEnum
from typing import Final

import httpx

from times_dispatch.provider.outcomes import Outcome, Verdict


class Failure(IntEnum):
    """Our own codes, below all of the provider's."""

    DNS = 1
    REFUSED = 2
    CONNECT_TIMEOUT = 3
    TLS = 4
    POOL_TIMEOUT = 5
    UNREACHABLE = 6
    TOO_LATE = 9
    TOKEN_REFUSED = 7
    TOKEN_AWAY = 8
    READ_TIMEOUT = 10
    CONNECTION_LOST = 11
    UNREADABLE_ANSWER = 12
    WORKER_LOST = 13
    UNEXPECTED = 14
    UNSENDABLE = 15


NOT_SENT: Final = {
    Failure.DNS: "the provider's host name cannot be resolved",
    Failure.REFUSED: "connection refused",
    Failure.CONNECT_TIMEOUT: "no connection in time",
    Failure.TLS: "the TLS or proxy handshake failed",
    Failure.POOL_TIMEOUT: "no free connection in time",
    Failure.UNREACHABLE: "the provider's host cannot be reached",
}
"""The allow-list: before each of these not one byte of the request was written. A real socket tests every line."""

_IN_DOUBT: Final = {
    Failure.READ_TIMEOUT: "no answer in time",
    Failure.CONNECTION_LOST: "connection lost before the answer was complete",
    Failure.UNREADABLE_ANSWER: "the answer is not HTTP",
    Failure.UNEXPECTED: "unexpected error during the push",
}


class TooLate(httpx.TransportError):
    """Nothing was written: there was no connection until the push was no longer allowed to begin."""

    def __init__(self) -> None:
        super().__init__("no connection in time")


class NotSent(httpx.TransportError):
    """Provably not sent, and why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(NOT_SENT[failure])
        self.failure = failure


_OUTCOMES: Final = {
    failure: Outcome(verdict=verdict, code=failure.value, reason=reason)
    for verdict, reasons in ((Verdict.NOT_SENT, NOT_SENT), (Verdict.IN_DOUBT, _IN_DOUBT))
    for failure, reason in reasons.items()
}

TOO_LATE: Final = Outcome(
    verdict=Verdict.NOT_SENT, code=Failure.TOO_LATE.value, reason="no connection before its time to begin was over"
)
"""For a push that was never begun; it says nothing about the provider."""

UNSENDABLE: Final = Outcome(
    verdict=Verdict.REJECTED,
    code=Failure.UNSENDABLE.value,
    reason="the message does not fit into the provider's payload",
)
"""For a message from which no request can be made: an unpaired surrogate, or a placeholder without a value."""


def classify(error: Exception) -> Outcome:
    """Return what an error of the exchange means; whatever is not on the allow-list is in doubt."""
    if isinstance(error, NotSent):
        return _OUTCOMES[error.failure]
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return _OUTCOMES[Failure.READ_TIMEOUT]
    if isinstance(error, httpx.RemoteProtocolError | httpx.DecodingError):
        return _OUTCOMES[Failure.UNREADABLE_ANSWER]
    if isinstance(error, httpx.TransportError | OSError):
        return _OUTCOMES[Failure.CONNECTION_LOST]
    return _OUTCOMES[Failure.UNEXPECTED]
