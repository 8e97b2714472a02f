"""The symbols that Python and the ledger's scripts exchange; a test compares each of them with the text of the scripts.

States of messages and campaigns are in ``ledger/states.py``, names of keys and fields in ``ledger/keys.py``. A symbol
is never a text for people: ``stop_reason_in_words`` returns such a text.
"""

from enum import Enum, StrEnum


class Status(StrEnum):
    """The status in a script's reply; the header of each script lists the statuses that the script returns."""

    LOST = "lost"
    """The lease went to another worker."""
    # take
    TAKEN = "taken"
    BUSY = "busy"
    """Another worker holds the lease."""
    GONE = "gone"
    """The batch is not out for work, or all its messages ended with the campaign."""
    # open_block
    OPENED = "opened"
    WAIT = "wait"
    DRAINED = "drained"
    CLOSED = "closed"
    OUTSIDE = "outside"
    """The first pending message is not among the messages whose fingerprints were passed."""
    # confirm_block
    CONFIRMED = "confirmed"
    # record, release
    RECORDED = "recorded"
    RELEASED = "released"
    # note_failure
    NOTED = "noted"
    # control, resume_sender, set_send_window
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    KNOWN = "known"
    OVER = "over"
    # add_batch, seal
    STORED = "stored"
    PRESENT = "present"
    NO_CAMPAIGN = "no_campaign"
    SEALED = "sealed"
    GAP = "gap"
    BAD_SIZE = "bad_size"
    SHORT_BEFORE = "short_before"
    BAD_COUNT = "bad_count"
    # replace_body
    REPLACED = "replaced"
    HELD = "held"
    """A reader holds the entry of the stream."""


class WaitReason(StrEnum):
    """Why no message of a batch may be sent for some time."""

    RATE_LIMIT = "rate_limit"
    """The sender's rate, or the campaign's own rate if the sender has no rate."""
    CAMPAIGN_LIMIT = "campaign_limit"
    """The campaign's own rate below its sender's rate, or SMS parts that messages in the state sending may return."""
    BACKING_OFF = "backing_off"
    """The sender backs off from all providers of the campaign."""
    REPLICAS = "replicas"
    """Too few replicas have the block. Python code gives this reason, not a script."""


class CloseReason(StrEnum):
    """Why a worker has to release a batch, if the reason is not the campaign's state."""

    SCHEDULED = "scheduled"
    """The campaign has not started."""
    EXPIRED = "expired"
    """The validity of the campaign is over."""
    OUTSIDE_SEND_WINDOW = "outside_send_window"
    """The campaign is outside its send window."""
    SENDER_PAUSED = "sender_paused"
    PROVIDER_BRAKED = "provider_braked"
    """All providers of the campaign are braked."""
    BACKING_OFF = "backing_off"
    """The sender backs off from all providers of the campaign, and another campaign of the sender can send."""
    OUT_OF_REACH = "out_of_reach"
    """The worker cannot reach the providers that could take a message, and other workers may reach them."""
    TURN_OVER = "turn_over"
    """The batch was out for the whole turn of its campaign, and other campaigns wait."""
    BUDGET_SPENT = "budget_spent"
    """The campaign has no SMS parts left."""
    COPY_ON_ITS_WAY = "copy_on_its_way"
    """All pending messages wait, because copies in other campaigns are sending or in doubt."""
    BLOCKS_LOST = "blocks_lost"
    """The ledger lost blocks that it had given to this worker: a power cut, or a failover."""
    DAY_USED_UP = "day_used_up"
    """The sender has no SMS parts left on this day."""


class PushResult(bytes, Enum):
    """The result of the push of one message: the byte that the script ``record`` takes."""

    ACCEPTED = b"a"
    REJECTED = b"r"
    IN_DOUBT = b"i"
    NOT_SENT = b"p"
    """The push was tried, and the message was provably not sent: the message is pending again."""
    NEVER_BEGUN = b"b"
    """The push was not tried: the message is pending again."""
    SUPPRESSED = b"u"


class BackOffPolicy(StrEnum):
    """Whether the results of a group make the sender back off from the provider."""

    NEVER = "never"
    IF_NONE_ACCEPTED = "if_none_accepted"
    """The sender backs off because messages could not be sent, unless the provider accepted other messages."""
    IF_NONE_ANSWERED = "if_none_answered"
    """Like ``IF_NONE_ACCEPTED``, unless the provider answered any worker in the last seconds: the worker of these
    results may be cut off from the provider."""
    IF_NONE_READABLE = "if_none_readable"
    """Like ``IF_NONE_ACCEPTED``, for responses that cannot be read. After seven such back-offs in a row the sender is
    braked at the provider, because a person must find out which server responds."""
    ALWAYS = "always"
    """The provider asked for no messages for a while."""


class BrakeTarget(StrEnum):
    """The target of a brake that follows from a group of results."""

    NOTHING = "nothing"
    CAMPAIGN = "campaign"
    SENDER = "sender"
    """The sender at the provider of these results."""


class ReportLetter(bytes, Enum):
    """The kinds of reports that the script ``apply_reports`` distinguishes."""

    DELIVERED = b"d"
    FAILED = b"f"
    ARRIVED = b"o"
    """A click, a reply or an intermediate event: the report proves only that the push arrived."""
    VISITED = b"w"
    """A click on a tracked link, or an opt-out on its page: like ``ARRIVED``, but about an unknown attempt."""
    NOTICED = b"v"
    """A program fetched a link. The program may belong to a system that refused the message afterwards, so the report
    proves nothing about the push."""


class ControlAction(StrEnum):
    """The actions that change the state of a campaign."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    BRAKE = "brake"
    """Stop the campaign until a person resumes it, because something is wrong."""


class Settlement(StrEnum):
    """The ways to settle messages that waited long enough."""

    POLICY = "policy"
    """The clock and the campaign's policy settle the messages."""
    SENT = "sent"
    """A person decided that the messages in doubt were sent."""
    RESEND = "resend"
    """A person decided that the messages in doubt are to be sent again."""


class StopReason(StrEnum):
    """Why a campaign was stopped, if no person stopped it."""

    TOO_MANY_REJECTED = "too_many_rejected"
    TOO_MANY_FAILED = "too_many_failed"
    BUDGET_SPENT = "budget_spent"
    """The field ``reason_detail`` holds the budget in SMS parts."""
    MISSED_START_SKIPPED = "missed_start_skipped"
    MISSED_START_ASKS = "missed_start_asks"
    DAMAGED = "damaged"
    COUNTERS_MISMATCH = "counters_mismatch"
    """Upkeep found that the counters do not add up to the total. Python code gives this reason, not a script."""


_WORDS = {
    StopReason.TOO_MANY_REJECTED: "too many of the last pushes were rejected",
    StopReason.TOO_MANY_FAILED: "too many of the last delivery reports say failed",
    StopReason.BUDGET_SPENT: "its budget of {} parts is spent",
    StopReason.MISSED_START_SKIPPED: "its start was missed while nothing ran",
    StopReason.MISSED_START_ASKS: "its start was missed while nothing ran: resume or cancel it",
    StopReason.DAMAGED: "none of its batches can be issued: damaged in the ledger",
    StopReason.COUNTERS_MISMATCH: "its counters did not add up to its total",
}


def stop_reason_in_words(reason: str, detail: str) -> str:
    """Return the reason in a campaign's hash for people: a ``StopReason`` in words, any other text as it stands.

    Args:
        reason: The field ``reason``.
        detail: The field ``reason_detail``.
    """
    try:
        return _WORDS[StopReason(reason)].format(detail)
    except ValueError:
        return reason
