"""The outcome of a push, as a value (docs/concepts.md). Every response and every failure becomes an outcome."""

from enum import StrEnum

import msgspec


class Verdict(StrEnum):
    """The knowledge about a message after its push."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    """The provider rejected the message for a reason that concerns only this message; the state is final."""
    BRAKE = "brake"
    """Rejected for a reason that holds for other messages too; nothing was sent. The message goes back to pending and
    pushing stops."""
    NOT_SENT = "not_sent"
    """Provably not sent, because no connection was made. The message goes back to pending, and the sender
    backs off from the provider."""
    THROTTLED = "throttled"
    """The provider asks to wait (429, or 503 with Retry-After). The message goes back to pending, and the sender
    backs off from the provider."""
    IN_DOUBT = "in_doubt"
    """The message may have been sent. The message is sent again only by the campaign's policy or by a person."""


class BrakeScope(StrEnum):
    """The part of the pushes that a brake stops."""

    CAMPAIGN = "campaign"
    SENDER = "sender"
    PROVIDER = "provider"


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """The outcome of one push."""

    verdict: Verdict
    code: int = 0
    """The provider's status code. A push without a response gets a ``failures.Failure`` code, which is below 100."""
    transaction_id: str = ""
    parts: int = 0
    """The provider's own count of parts (``pdu``); 0 if the response has none."""
    scope: BrakeScope | None = None
    """The part of the pushes that stops: with BRAKE, and with IN_DOUBT if the next messages would get the same
    response.
    """
    retry_after_s: float | None = None
    reason: str = ""
    """A short constant sentence, without a URL, a phone number, a message text or a credential."""
