"""What a push came to, as values: one table decides what each answer and each failure means (docs/concepts.md)."""

from enum import StrEnum

import msgspec


class Verdict(StrEnum):
    """What we know after a push."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    """Final for this recipient."""
    BRAKE = "brake"
    """Rejected, nothing was sent, and everybody else would be rejected as well: back to pending, and stop."""
    NOT_SENT = "not_sent"
    """Provably not sent (no connection was made): back to pending, and back off."""
    THROTTLED = "throttled"
    """The provider said *not now* (429, 503 with Retry-After): back to pending, and wait."""
    IN_DOUBT = "in_doubt"
    """It may have been sent. Never resent by itself."""


class BrakeScope(StrEnum):
    """What a brake stops."""

    CAMPAIGN = "campaign"
    SENDER = "sender"
    PROVIDER = "provider"


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """The outcome of one push."""

    verdict: Verdict
    code: int = 0
    """The provider's status code; for failures without an answer one of ours below 100
    (``times_dispatch.provider.failures``)."""
    transaction_id: str = ""
    parts: int = 0
    """The gateway's own count of parts (``pdu``); 0 if it said nothing."""
    scope: BrakeScope | None = None
    retry_after_s: float | None = None
    reason: str = ""
    """A short constant sentence; never holds a URL, a number, a text or a credential."""
