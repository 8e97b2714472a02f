"""The outcome of a push without a response: not sent if this is proved, otherwise in doubt (docs/concepts.md).

    NotSent             no byte was written; only a transport that can prove it raises this
        TooLate             no byte was written, because the push was no longer allowed to begin
        any other error     the request may have been written: in doubt

``httpx.ConnectError`` is no proof: some transports raise it when a connection is lost after the server has read the
request. ``times_dispatch.provider.http.transport`` raises NotSent only before it has a connection for the request.
"""

from typing import Final

import httpx

from times_dispatch.provider.failures import NOT_SENT, OUTCOMES, Failure
from times_dispatch.provider.outcomes import Outcome


class TooLate(httpx.TransportError):
    """No byte was written, because the push was no longer allowed to begin when a connection became free."""

    def __init__(self) -> None:
        super().__init__("no connection in time")


class NotSent(httpx.TransportError):
    """No byte of the request was written; ``failure`` has the reason."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(NOT_SENT[failure])
        self.failure = failure


PUSH_ERRORS: Final = (
    httpx.HTTPError,
    OSError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""The errors of a transport, and errors from reading an unusual response. After such an error the message is in doubt,
because the provider may have the message, and the batch of the message goes on.
"""


def classify(error: Exception) -> Outcome:
    """Return the outcome of a push that ended in an error; every error outside the allow-list is in doubt."""
    if isinstance(error, NotSent):
        return OUTCOMES[error.failure]
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return OUTCOMES[Failure.READ_TIMEOUT]
    if isinstance(error, httpx.RemoteProtocolError | httpx.DecodingError):
        return OUTCOMES[Failure.UNREADABLE_RESPONSE]
    if isinstance(error, httpx.TransportError | OSError):
        return OUTCOMES[Failure.CONNECTION_LOST]
    return OUTCOMES[Failure.UNEXPECTED]
