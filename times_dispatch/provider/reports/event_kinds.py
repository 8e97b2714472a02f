"""The kinds of events in reports, and their names at providers and gateways."""

import re
from enum import StrEnum
from typing import Final


class EventKind(StrEnum):
    """The event of a report."""

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


_DND_NAMES: Final = (
    *("failed_dnd", "dnd_failed", "dnd_fail", "dnd", "ndnc", "dnd_number", "dnd_blocked", "dnd_rejected"),
    *("blocked_by_dnd", "rejected_by_dnd", "ndnc_rejected", "ndnc_number", "ndnc_failed"),
)
_NETWORKS: Final = ("operator", "network", "carrier", "telco", "smsc", "gateway", "dlt", "provider", "vendor")
_NAMES: Final = {
    EventKind.DELIVERED: (
        *("delivered", "delivrd", "dlvrd", "delivered_to_handset", "delivered_to_terminal", "delivery_success"),
        *("delivered_successfully", "successfully_delivered", "delivered_to_phone", "delivered_to_device"),
        *("message_delivered", "sms_delivered", "delivered_to_recipient", "delivered_to_subscriber"),
        *("message_delivered_successfully", "dlr_delivered", "msg_delivered"),
    ),
    EventKind.FAILED: (
        *(
            "failed",
            "faild",
            "faled",
            "fail",
            "failure",
            "delivery_failed",
            "delivery_failure",
            "failed_to_deliver",
            "message_failed",
        ),
        *("undelivered", "undeliv", "undelivrd", "undelivd", "undeliverable", "not_delivered", "delivery_fail"),
        *("non_delivered", "expired", "force_expired", "deleted", "rejectd", "rejected", "reject"),
        *("not_delivered_to_handset", "undelivered_to_handset", "permanently_failed", "permanent_failure"),
        *("failed_permanently", "temporary_failure_expired", "invalid_number", "invalid_mobile_number"),
        *("message_undelivered", "message_expired", "message_rejected", "message_failure", "sms_failed"),
        *("blocked", "dropped", "bounced", "hard_bounce", "discarded", "cancelled", "canceled", *_DND_NAMES),
        *("failed_delivery", "dlr_failed", "msg_failed", "msg_expired", "msg_rejected", "msg_undelivered"),
        *("dlt_rejected", "rejected_dlt", "dlt_failed", "failed_dlt", "dlt_blocked", "blocked_dlt"),
        *(f"{verb}_by_{who}" for verb in ("rejected", "blocked", "dropped", "failed") for who in _NETWORKS),
    ),
    EventKind.CLICKED: ("clicked", "click", "link_clicked", "url_clicked"),
    EventKind.REPLIED: ("replied", "reply"),
    EventKind.PREVIEWED: (EventKind.PREVIEWED.value,),
    EventKind.SCANNED: (EventKind.SCANNED.value,),
    EventKind.PROBED: (EventKind.PROBED.value,),
    EventKind.INTERMEDIATE: (
        *("sent", "submitted", "submit_accepted", "accepted", "acceptd", "enroute", "en_route", "in_transit"),
        *("queued", "buffered", "buffrd", "scheduled", "pending", "processing", "dispatched"),
        *("submit_success", "awaiting_dlr", "awaited_dlr"),
        *(f"{verb}_to_{who}" for verb in ("sent", "submitted", "delivered") for who in _NETWORKS),
    ),
}
_REPORTS: Final = (
    *("dlr", "sms_dlr", "dlr_report", "delivery_report", "delivery_receipt", "delivery_status", "delivery_update"),
    *("message_status", "message_status_update", "sms_status", "status", "status_update", "status_report"),
)
"""Names of an event that mean only "report"; the kind of the event is in the report's status."""
_OUTCOMES: Final = frozenset({EventKind.DELIVERED, EventKind.FAILED, EventKind.INTERMEDIATE})
_SMPP_UNKNOWN: Final = "UNKNOWN"
"""SMPP's name for a final state; no provider sends it in lower case."""
_SEPARATORS: Final = re.compile(r"[\s_.'\"-]+")


def kind_of(event: str) -> EventKind | None:
    """Return the kind of an event; None for a name whose meaning is not certain."""
    if kind := _KINDS.get(event):
        return kind
    if event == _SMPP_UNKNOWN:
        return EventKind.FAILED
    name = _normalise(event)
    return _KINDS.get(name) or _MISSPELLED.get(_consonants(name))


def is_report(event: str) -> bool:
    """Return whether the name of an event, such as ``dlr``, means only "report"."""
    return _normalise(event) in _REPORT_NAMES


def is_outcome(event: str) -> bool:
    """Return whether the name of an event names the result of a message."""
    return kind_of(event) in _OUTCOMES


def means_dnd(event: str) -> bool:
    """Return whether the name alone means that the recipient refuses such messages (DND, code 901)."""
    return _normalise(event) in _DND


def _normalise(event: str) -> str:
    return _SEPARATORS.sub("", event.lower())


def _consonants(name: str) -> str:
    """Return a name's first letter and its other consonants, each double one once: ``dlvrd`` of ``deliverd``."""
    return name[:1] + _VOWELS_AND_DOUBLES.sub("", name[1:])


_VOWELS_AND_DOUBLES: Final = re.compile(r"[aeiou]|(.)(?=[aeiou]?\1)")
_ABBREVIATED: Final = ("delivered", "undelivered", "submitted", "accepted", "rejected", "expired")
"""The states that gateways abbreviate and misspell: ``SUBMITD``, ``DELIVRED``, ``EXPIRD``. The three consonants of
``failed`` are also those of ``field``, ``filled`` and ``filed``."""
_KINDS: Final = {_normalise(name): kind for kind, names in _NAMES.items() for name in names}
_MISSPELLED: Final = {_consonants(name): _KINDS[name] for name in _ABBREVIATED}
_DND: Final = frozenset(map(_normalise, _DND_NAMES))
_REPORT_NAMES: Final = frozenset(map(_normalise, _REPORTS))
