"""The alphabets that Python and the ledger's scripts both speak; a test compares each with the scripts' text.

States of messages and campaigns are in ``ledger/states.py``, names of keys and fields in ``ledger/keys.py``. All values
are symbols; the words for people are made here.
"""

from enum import Enum, StrEnum


class Status(StrEnum):
    """How a script ended; each script has some of these, see its header."""

    LOST = "lost"
    """The lease went to another worker."""
    # take
    TAKEN = "taken"
    BUSY = "busy"
    """Another worker holds the lease."""
    GONE = "gone"
    """Nothing of the batch has to be done."""
    # open_block
    OPENED = "opened"
    WAIT = "wait"
    DRAINED = "drained"
    CLOSED = "closed"
    OUTSIDE = "outside"
    """The first pending message is not among those whose fingerprints were passed."""
    # confirm_block
    CONFIRMED = "confirmed"
    # record, release
    RECORDED = "recorded"
    RELEASED = "released"
    # note_failure
    NOTED = "noted"
    # control, next_hours
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


class WaitReason(StrEnum):
    """Why nothing of a batch may go for some time."""

    RATE_LIMIT = "rate_limit"
    """The sender's rate, or the campaign's own where the sender has none."""
    CAMPAIGN_LIMIT = "campaign_limit"
    """The campaign's own rate below its sender's, or SMS parts that messages on their way may give back."""
    BACKING_OFF = "backing_off"
    """All providers of the campaign are left alone for a while."""


class CloseReason(StrEnum):
    """Why a worker shall release a batch, if it is not the campaign's state."""

    SCHEDULED = "scheduled"
    """The campaign has not started."""
    EXPIRED = "expired"
    """Its validity is over."""
    OUTSIDE_HOURS = "outside_hours"
    """It sends at other hours of the day."""
    SENDER_PAUSED = "sender_paused"
    PROVIDER_BRAKED = "provider_braked"
    """All its providers are braked."""
    BACKING_OFF = "backing_off"
    """All its providers are left alone for a while, and another campaign of the sender can send."""
    TURN_OVER = "turn_over"
    """It was at work for the turn of its campaign, and others wait."""
    BUDGET_SPENT = "budget_spent"
    """The campaign has no SMS parts left."""
    COPY_ON_ITS_WAY = "copy_on_its_way"
    """All that is left waits for what becomes of messages of other campaigns to the same numbers."""
    BLOCKS_LOST = "blocks_lost"
    """The ledger lost blocks that it gave to this worker: a power cut, or a failover."""
    DAY_USED_UP = "day_used_up"
    """The sender has no SMS parts left on this day."""


class PushResult(bytes, Enum):
    """What became of one message of a block: the byte that the script ``record`` takes."""

    ACCEPTED = b"a"
    REJECTED = b"r"
    IN_DOUBT = b"i"
    NOT_SENT = b"p"
    """Tried, and provably not sent: pending again."""
    NEVER_BEGUN = b"b"
    """Not tried: pending again."""
    SUPPRESSED = b"u"


class HoldPolicy(StrEnum):
    """Whether the results of a group make the sender back off from the provider."""

    NEVER = "never"
    IF_NONE_ACCEPTED = "if_none_accepted"
    """Some could not be sent; if the provider accepted others meanwhile, that means nothing."""
    ALWAYS = "always"
    """The provider asked to be left alone."""


class BrakeTarget(StrEnum):
    """What the results of a group brake."""

    NOTHING = "nothing"
    CAMPAIGN = "campaign"
    SENDER = "sender"
    """The sender at the provider of these results."""


class ReportLetter(bytes, Enum):
    """The kinds of reports that the script ``apply_reports`` tells apart."""

    DELIVERED = b"d"
    FAILED = b"f"
    ARRIVED = b"o"
    """A click, a reply or an event on the way: it proves only that the push arrived."""


class ControlAction(StrEnum):
    """What can be done with a campaign."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    BRAKE = "brake"
    """Stop until a person resumes it, because something is wrong."""


class Settlement(StrEnum):
    """How messages that waited long enough are decided."""

    POLICY = "policy"
    """By the clock and the campaign's policy."""
    SENT = "sent"
    """A person says that the messages in doubt were sent."""
    RESEND = "resend"
    """A person wants the messages in doubt sent again."""


class StopReason(StrEnum):
    """Why a script stopped a campaign."""

    TOO_MANY_REJECTED = "too_many_rejected"
    TOO_MANY_FAILED = "too_many_failed"
    BUDGET_SPENT = "budget_spent"
    """Followed by a blank and the budget in SMS parts."""
    MISSED_START_SKIPPED = "missed_start_skipped"
    MISSED_START_ASKS = "missed_start_asks"
    DAMAGED = "damaged"


_WORDS = {
    StopReason.TOO_MANY_REJECTED: "too many of the last pushes were rejected",
    StopReason.TOO_MANY_FAILED: "too many of the last delivery reports say failed",
    StopReason.BUDGET_SPENT: "its budget of {} parts is spent",
    StopReason.MISSED_START_SKIPPED: "its start was missed while nothing ran",
    StopReason.MISSED_START_ASKS: "its start was missed while nothing ran: resume or cancel it",
    StopReason.DAMAGED: "it cannot be handed out: damaged in the ledger",
}


def stop_reason_in_words(reason: str) -> str:
    """Return the reason in a campaign's hash for people: a ``StopReason`` in words, any other text as it stands."""
    symbol, _, detail = reason.partition(" ")
    try:
        return _WORDS[StopReason(symbol)].format(detail)
    except ValueError:
        return reason
