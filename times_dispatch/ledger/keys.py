"""The keys of the ledger in Redis, and the fields of its hashes: each with its type, what it holds, and the unit.

All keys of a sender begin with the sender's hash tag, ``{TIMESM}``, so that they share a slot of a Redis Cluster and
one script sees all of them. The scripts use the same names (``lua/lib/keys.lua``); a test compares both sides.

Three words recur. A *batch member* is ``<campaign>:<number>``, how a batch stands in the sets of its sender. A *time*
is in milliseconds since the epoch unless the name says otherwise (``_s`` seconds, ``_us`` microseconds). A *counter*
is an integer that scripts change by differences.
"""

from enum import StrEnum

from times_dispatch.ledger.model import CampaignId, SenderId

CAMPAIGNS = "campaigns"
"""Hash: campaign id to sender."""
SENDERS = "senders"
"""Set: the senders that ever had a campaign or a limit."""
SUBMISSIONS = "submissions"
"""Hash: fingerprint of a submit to campaign id."""
ID_KEY = "id_key"
"""Hash: which key makes the correlation ids, see ``IdKeyField``."""
TEST_SENDS = "test_send"
"""Sorted set at ``test_send:<index>``: reports of one test message (JSON) by the report's own time, epoch seconds.
String at ``test_send:<index>:number``: the number that the message went to. Both expire after 72 hours."""
REPORTS = "reports"
"""Stream: posted bodies that the receiver stored and no reconciler has finished; an entry holds one body or more."""
RECONCILERS = "reconcilers"
"""The consumer group of the reconcilers in the stream ``reports``."""
OPTOUTS = "optouts"
"""Stands in the hash tag of the opt-out list, in place of a sender."""
OPTOUTS_CHANGES = "{optouts}:any"
"""Counter: how many times the opt-out list was changed; missing if no number was ever put on the list."""
OPTOUTS_BUCKET = "{optouts}:n"
"""Set at ``{optouts}:n:<beginning of the number>``: the last five digits, as integers, of numbers on the list."""

REPLICATED = "replicated"
"""String at ``{TIMESM}:replicated``, for a minute: a worker writes it to ask whether replicas have what came before."""


class SenderKey(StrEnum):
    """What follows the hash tag of a sender: ``{TIMESM}:leases``."""

    PACE = "pace"
    """Hash: the sender's limits and what holds it back, see ``PaceField``."""
    ROTATION = "rotation"
    """Sorted set: campaigns with batches to hand out, by the number of their turn."""
    ROTATION_OWN = "rotation:own"
    """The same for campaigns with a limit of their own."""
    ROTATION_URGENT = "rotation:urgent"
    """The same for urgent campaigns, whose batches are handed out before all others."""
    WAITING = "waiting"
    """Sorted set: campaigns that go on later, and batch members that are tried again later, by that time."""
    BLOCKED = "blocked"
    """Sorted set: campaigns whose providers are all braked or backing off, by the time at which they are in turn again.
    A resume of the sender sets that time to 0."""
    LEASES = "leases"
    """Sorted set: batch members that are out for work, by the time at which the lease ends."""
    WINDOW = "window"
    """Set: batch members that are out and still have something to open."""
    WINDOW_OWN = "window:own"
    """The same for campaigns with a limit of their own."""
    WINDOW_URGENT = "window:urgent"
    """The same for urgent campaigns."""
    DUE = "due"
    """Sorted set: batch members with messages to decide, by the time at which upkeep looks at them."""
    ENDS = "ends"
    """Sorted set: campaigns by the end of their validity; 0 for a cancelled one."""
    HOURS = "hours"
    """Sorted set: campaigns with hours of the day, by the time at which the hours close."""
    LIVE = "live"
    """Set: campaigns that are neither finished nor cancelled."""
    ENDED = "ended"
    """Sorted set: campaigns that are finished or cancelled, by the time of their creation."""
    CHANGED = "changed"
    """Set: campaigns of which something changed since they were last shown."""
    SHOWING = "showing"
    """Sorted set: campaigns that a worker is showing, each with the worker, by the time from which another worker shows
    them."""
    RECENT_TEXTS = "recent_texts"
    """Hash at ``recent_texts:<digest of the text>:<period>``: who used a registered text in a period, see
    ``RegistryField``. Below it, at ``recent_texts:<digest>:<period>:<size class>:<bucket>``, a hash: fingerprint of
    (number, text), 6 bytes, to a mark of 9 bytes: number of the campaign, index of the message in the campaign, time
    since the period began. A period is as long as the text may not be repeated; periods are counted from the epoch."""
    RECENT_NUMBERS = "recent_numbers"
    """Hash at ``recent_numbers:<period>``: the campaigns that texted any number in a period, see ``RegistryField``.
    Below it, at ``recent_numbers:<period>:<number without its last five digits>``, a hash: the last five digits to
    marks of 12 bytes: number of the campaign, index of the message, attempt, epoch seconds. Periods are counted from
    the epoch."""


class CampaignKey(StrEnum):
    """What follows the key of a campaign: ``{TIMESM}:c:diwali01:codes``. The campaign itself is ``CampaignField``."""

    CODES = "codes"
    """Hash: counters of messages by ``<CodeOrigin>:<code>``."""
    REDO = "redo"
    """List: numbers of batches that are to be handed out again, the next one first."""
    FAILURES = "failures"
    """Hash: number of a batch on which workers failed for a reason that the ledger does not know to how many times, the
    kind of the last error, and the names of the workers, joined by blanks. A success drops the entry."""
    RECENT_PUSH = "recent_push"
    """String: one byte for each of the last pushes, ``1`` if it was rejected, else ``0``; the oldest is overwritten."""
    RECENT_REPORT = "recent_report"
    """The same for delivery reports, ``1`` if it says failed."""
    CLICKED = "clicked"
    """Set: digests, 8 bytes, of the clicks that were counted."""
    REPLIED = "replied"
    """Set: digests, 8 bytes, of the replies that were counted."""


class BatchKey(StrEnum):
    """What stands between the key of a campaign and the number of a batch: ``{TIMESM}:c:diwali01:m:0``."""

    RECIPIENTS = "p"
    """String: the batch's recipients and their values, packed (``ledger/records.py``)."""
    PARTS = "k"
    """String: the SMS parts of each message, one byte each; missing if every message has one part."""
    MESSAGES = "m"
    """String: a state byte for each message, then a record of 22 bytes for each (``lua/lib/records.lua``). Missing
    until the batch is first taken, unless some of it is suppressed."""
    LEASE = "b"
    """Hash, while the batch is out for work: see ``LeaseField``."""
    RELEASE = "r"
    """String, for a minute after a batch was released: the token, a blank, and how many messages became in doubt."""


class PaceField(StrEnum):
    """Fields of a sender's hash ``{TIMESM}:pace``."""

    RATE = "rate"
    """Messages or SMS parts per second; 0 is no limit."""
    CONFIGURED_RATE = "configured_rate"
    """The rate that the settings last had; a rate set by hand stays until this one changes."""
    LAST_SLOT_US = "last_slot_us"
    """The last slot that was given out."""
    LAST_SLOT_COST = "last_slot_cost"
    """The cost of the message at that slot, in the unit of the rate."""
    PAUSED = "paused"
    """1 while the sender is paused."""
    HELD_US = "held_us"
    """When the sender was last paused, or braked at a provider; microseconds since the epoch."""
    MAX_PARTS_PER_DAY = "max_parts_per_day"
    """SMS parts from midnight to midnight in Asia/Kolkata; 0 is no limit."""
    DAY = "day"
    """The day that ``day_parts`` counts for: days since the epoch, in Asia/Kolkata."""
    DAY_PARTS = "day_parts"
    """SMS parts of that day."""
    FULL_DAY = "full_day"
    """The day whose parts are used up."""
    FENCE = "fence"
    """The last fencing token."""
    TURN = "turn"
    """The last number of a turn in the rotation."""
    STARTS_SINCE_MS = "starts_since_ms"
    """While more campaigns wait to be started than one call starts: the time of the first of the calls that start them
    without a gap. What was to start then, or up to a minute before, is not missed."""
    STARTS_UNTIL_MS = "starts_until_ms"
    """The time of the last of these calls."""


class ProviderField(StrEnum):
    """Fields of the same hash for one provider: ``brake@times``, with the nickname after the ``@``."""

    BRAKE = "brake"
    """Why the sender sends nothing through the provider until a person resumes it; empty or missing if it does."""
    HOLD_UNTIL_US = "hold_until_us"
    """When the sender may try the provider again."""
    HOLD_COUNT = "hold_count"
    """How many times in a row the sender began to back off; 0 or missing if it does not."""
    HOLD_REASON = "hold_reason"
    """Why it backs off."""
    PROBE_US = "probe_us"
    """When the next single message may be tried while the sender backs off."""


class CampaignField(StrEnum):
    """Fields of a campaign's hash ``{TIMESM}:c:diwali01``, besides a counter for each ``MessageState``."""

    PLAN = "plan"
    """What workers need to know, frozen at submit: a ``Plan`` in JSON."""
    STATE = "state"
    """A ``CampaignState``."""
    REASON = "reason"
    """Why it is paused, braked or cancelled: a ``StopReason`` (``ledger/protocol.py``), or a text for people."""
    HELD_US = "held_us"
    """When it was last paused or braked; microseconds since the epoch."""
    TOTAL = "total"
    """Counter: all messages."""
    BATCHES = "batches"
    """Counter: batches."""
    BATCH_SIZE = "batch_size"
    """Messages of a full batch; only the last may have fewer."""
    NEXT_BATCH = "next_batch"
    """The number of the first batch that was never handed out."""
    BATCHES_OUT = "batches_out"
    """Counter: its batches in the window."""
    RATE = "rate"
    """Its own limit, messages or SMS parts per second; 0 is none."""
    LAST_SLOT_US = "last_slot_us"
    """The last slot of its own limit."""
    LAST_SLOT_COST = "last_slot_cost"
    """The cost of the message at that slot."""
    COST = "cost"
    """What the rate counts: messages or parts."""
    CHAIN = "chain"
    """Nicknames of its providers by priority, joined by blanks."""
    URGENT = "urgent"
    """1 if its batches go through the urgent queue, else 0."""
    IN_DOUBT = "in_doubt"
    """What happens to messages in doubt at the end of the validity: give_up or resend."""
    RESENDING = "resending"
    """1 once messages in doubt are resent by policy."""
    RESENT = "resent"
    """1 once messages in doubt were sent again, by policy or by a person."""
    VALIDITY_MS = "validity_ms"
    """How long its validity was when it was submitted; known once messages in doubt were sent again."""
    MAX_PARTS = "max_parts"
    """SMS parts that it may hand to providers; 0 is no limit."""
    PARTS_OUT = "parts_out"
    """Counter: SMS parts of the messages that were opened, less those of messages that no provider took."""
    PARTS = "parts"
    """Counter: SMS parts of the messages that a provider accepted."""
    MISSED_START = "missed_start"
    """skip or ask, until it has started: what happens if nothing ran at its start."""
    BRAKE_PUSH_LAST = "brake_push_last"
    """How many of the last pushes the automatic brake looks at; 0 is never."""
    BRAKE_PUSH_SHARE = "brake_push_share"
    """The share of rejected ones among them above which it brakes."""
    BRAKE_REPORT_LAST = "brake_report_last"
    """How many of the last delivery reports the automatic brake looks at; 0 is never."""
    BRAKE_REPORT_SHARE = "brake_report_share"
    """The share of failed ones among them above which it brakes."""
    PUSH_SEEN = "push_seen"
    """Pushes that were marked since it was last resumed."""
    PUSH_BAD = "push_bad"
    """Rejected ones among the last pushes."""
    REPORT_SEEN = "report_seen"
    """Delivery reports that were marked since it was last resumed."""
    REPORT_BAD = "report_bad"
    """Failed ones among the last reports."""
    ENDED_BATCHES = "ended_batches"
    """How many of its batches the current round of ending what is pending has looked at."""
    UNOPENED_STATE = "unopened_state"
    """The state of all messages in batches below ``unopened_before`` that have no records: expired or cancelled."""
    UNOPENED_BEFORE = "unopened_before"
    """The number of the first batch for which ``unopened_state`` does not hold."""
    START_MS = "start_ms"
    """When sending begins; 0 is at once."""
    UNTIL_MS = "until_ms"
    """The end of the validity."""
    OPENS_MS = "opens_ms"
    """When its current or next hours of the day open; missing if it sends at any hour."""
    CLOSES_MS = "closes_ms"
    """When they close."""
    REPORT_WAIT_MS = "report_wait_ms"
    """How long an accepted message waits for its report, milliseconds."""
    CREATED_MS = "created_ms"
    """When it was created; the times of its messages count from here."""
    SEALED_MS = "sealed_ms"
    """When all its batches were stored."""
    FIRST_SENT_MS = "first_sent_ms"
    """When its first block was opened."""
    LAST_SENT_MS = "last_sent_ms"
    """When its last block was opened."""
    FINISHED_MS = "finished_ms"
    """When it was finished."""


class LeaseField(StrEnum):
    """Fields of the hash of a batch that is out for work, ``{TIMESM}:c:diwali01:b:0``."""

    TOKEN = "token"  # noqa: S105 - a fencing token is no secret
    """The fencing token of the worker that holds the lease; missing until a worker takes it."""
    TAKER = "taker"
    """The id of the call that took it."""
    TAKEN_MS = "taken_ms"
    """When it was taken: the turn of its campaign counts from here."""
    COUNT = "count"
    """Messages of the batch."""
    LEASE_MS = "lease_ms"
    """How long the lease lasts without renewal, milliseconds."""
    FIRST_PENDING = "first_pending"
    """No message before this index is pending."""
    LAST_BLOCK = "last_block"
    """The number of the last block that was opened; counts from 1, modulo 65,536."""
    OPERATION = "operation"
    """The id of the last opening of a block."""
    OPENED_BLOCK = "opened_block"
    """What that opening answered, packed."""
    WAITS_UNTIL_MS = "waits_until_ms"
    """When messages that wait for a copy of another campaign are tried again; missing if no message waits."""


class RegistryField(StrEnum):
    """Fields of the hashes that number the campaigns of a period: ``{TIMESM}:recent_texts:<digest>:<period>``."""

    MARKS = "marks"
    """Counter: marks that were made in the period."""
    CAMPAIGNS = "campaigns"
    """Counter: campaigns that made them."""
    NUMBER = "number"
    """``number:<campaign>``: the number that stands for the campaign in the marks of the period, from 1."""
    ID = "id"
    """``id:<number>``: the campaign that the number stands for."""


class IdKeyField(StrEnum):
    """Fields of the hash ``id_key``; only the first is there while the key was never changed."""

    DIGEST = "digest"
    """Digest of the key that makes ids."""
    PREVIOUS = "previous"
    """Digest of the key before it."""
    CHANGED_MS = "changed_ms"
    """When the key was changed."""


class CodeOrigin(StrEnum):
    """Where the codes in a campaign's hash of codes come from."""

    PUSH = "push"
    """The provider's answer to a push that ended the message: rejected, or in doubt."""
    RETRY = "retry"
    """The answer to a push whose message went back to pending."""
    REPORT = "report"
    """A delivery report that says failed."""
    SUPPRESSED = "suppressed"
    """Our own reason why the message was held back, a ``Suppression``."""


STAT_PREFIX = "stat:"
"""Before the name of a ``Stat`` in a campaign's hash."""


class Stat(StrEnum):
    """Counters of a campaign besides the states of its messages."""

    REPORTS = "reports"
    """Delivery reports that decided a message."""
    DUPLICATE_REPORTS = "duplicate_reports"
    """Delivery reports that changed nothing."""
    REPORTED_WHILE_PENDING = "reported_while_pending"
    """Messages that were pending when a report proved that they had been sent."""
    PART_DISAGREEMENTS = "part_disagreements"
    """Accepted messages for which the provider counted other parts than we did."""
    CLICKED = "clicked"
    """Clicks."""
    REPLIED = "replied"
    """Replies."""


def hash_tag(owner: str) -> str:
    """Return the hash tag with which all keys of a sender (or those of the opt-out list) begin."""
    return "{" + owner + "}"


def sender_key(sender: SenderId, name: SenderKey) -> str:
    """Return a key of a sender: ``{TIMESM}:leases``."""
    return f"{hash_tag(sender)}:{name}"


def campaign_key(sender: SenderId, campaign: CampaignId) -> str:
    """Return the key of a campaign's hash; the keys of its batches begin with it."""
    return f"{hash_tag(sender)}:c:{campaign}"


def codes_key(sender: SenderId, campaign: CampaignId) -> str:
    """Return the key of a campaign's hash of codes."""
    return f"{campaign_key(sender, campaign)}:{CampaignKey.CODES}"


def batch_key(sender: SenderId, campaign: CampaignId, kind: BatchKey, number: int) -> str:
    """Return a key of a batch: ``{TIMESM}:c:diwali01:m:0``."""
    return f"{campaign_key(sender, campaign)}:{kind}:{number}"


def provider_field(name: ProviderField, provider: str) -> str:
    """Return the field of a sender's pace for one provider: ``brake@times``."""
    return f"{name}@{provider}"


def batch_member(campaign: CampaignId, number: int) -> str:
    """Return a batch as it stands in the sets of its sender."""
    return f"{campaign}:{number}"


def split_batch_member(member: str) -> tuple[CampaignId, str]:
    """Return the campaign and the number of a batch member; the number is empty if the member is damaged."""
    campaign, _, number = member.partition(":")
    return CampaignId(campaign), number
