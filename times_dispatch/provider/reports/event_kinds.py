"""The kinds of events that reports are about, by the names that providers and gateways give them."""

from enum import StrEnum
from typing import Final


class EventKind(StrEnum):
    """The event that a report is about."""

    DELIVERED = "delivered"
    FAILED = "failed"
    CLICKED = "clicked"
    REPLIED = "replied"
    INTERMEDIATE = "intermediate"
    """The message is on its way; any final report overrides this."""
    PREVIEWED = "link_previewed"
    """A program fetched a tracked link to show a preview, or in advance. Only our links process reports this event and
    the next two."""
    SCANNED = "link_scanned"
    """A scanner, a crawler or another program fetched a tracked link."""
    PROBED = "link_probed"
    """A program asked for the headers of a tracked link only (HEAD)."""


_DND_NAMES: Final = ("failed_dnd", "dnd_failed", "dnd", "ndnc")
_NAMES: Final = {
    EventKind.DELIVERED: (
        *("delivered", "delivrd", "dlvrd", "delivered_to_handset", "delivered_to_terminal", "delivery_success"),
        *("delivered_successfully", "successfully_delivered"),
        *("message_delivered", "sms_delivered", "deliveredtohandset", "deliveredtoterminal"),
    ),
    EventKind.FAILED: (
        *("failed", "fail", "failure", "delivery_failed", "delivery_failure", "failed_to_deliver", "message_failed"),
        *("undelivered", "undeliv", "undelivrd", "undelivd", "undeliverable", "not_delivered", "notdelivered"),
        *("non_delivered", "nondelivered", "expired", "force_expired", "deleted", "rejectd", "rejected", "reject"),
        *("message_undelivered", "message_expired", "message_rejected", "message_failure", "sms_failed"),
        *("blocked", "dropped", "bounced", *_DND_NAMES),
    ),
    EventKind.CLICKED: ("clicked", "click"),
    EventKind.REPLIED: ("replied", "reply"),
    EventKind.PREVIEWED: (EventKind.PREVIEWED.value,),
    EventKind.SCANNED: (EventKind.SCANNED.value,),
    EventKind.PROBED: (EventKind.PROBED.value,),
    EventKind.INTERMEDIATE: (
        *("sent", "submitted", "submit_accepted", "accepted", "acceptd", "enroute", "en_route", "in_transit"),
        *("queued", "buffered", "buffrd", "scheduled", "pending", "processing", "dispatched"),
    ),
}
_KINDS: Final = {name: kind for kind, names in _NAMES.items() for name in names} | {
    "UNKNOWN": EventKind.FAILED  # SMPP's name for a final state; no provider sends it in lower case
}


def kind_of(event: str) -> EventKind | None:
    """Return the kind of an event; None for a name whose meaning is not certain."""
    return _KINDS.get(event) or _KINDS.get(_normalise(event))


def means_dnd(event: str) -> bool:
    """Return whether the name alone says that the recipient wants no such messages (code 901)."""
    return _normalise(event) in _DND_NAMES


def _normalise(event: str) -> str:
    return event.strip().lower().replace("-", "_").replace(" ", "_")
