"""The keys of the ledger in Redis, and the fields of its hashes: the type, the content and the unit of each.

All keys of a sender begin with the sender's hash tag, ``{TIMESM}``, so that all keys of a sender are in one hash slot
of a Redis Cluster, and one script can use all of them. Each further lane of a sender (``ledger/lanes``) has a hash tag
of its own with the same keys. The scripts use the same names (``lua/lib/keys.lua``); a test compares both.

Three words recur. A *batch member* is ``<campaign>:<batch number>``, the name of a batch in the sets of its sender. A
*time* is in milliseconds since the epoch unless the name says otherwise (``_s`` seconds, ``_us`` microseconds). A
*counter* is an integer that scripts change by differences.
"""

from enum import StrEnum

from times_dispatch.ledger.model import CampaignId, SenderId

CAMPAIGNS = "campaigns"
"""Hash: campaign id to sender; each lane of a sender has its own campaigns."""
SENDERS = "senders"
"""Set: the senders that ever had a campaign or a limit, and their other lanes."""
SUBMISSIONS = "submissions"
"""Hash: fingerprint of a submit to campaign id; with ``/1``, ``/2``… added, to the campaigns of other lanes."""
ID_KEY = "id_key"
"""Hash: the digests of the keys that sign the correlation ids, see ``IdKeyField``."""
TEST_SENDS = "test_send"
"""Sorted set at ``test_send:<index>``: reports of one test message (JSON) by the report's own time, epoch seconds.
String at ``test_send:<index>:number``: the phone number of the test message. Both expire after 72 hours."""
TOKENS = "token"
"""String at ``token:<name>``: an OAuth token, encrypted, which expires with the token. String at ``token:<name>:lock``:
the lock of the process that requests a new token, which expires after the time that the process chose."""
UPKEEP_SINCE = "upkeep:since"
"""String: the time since which upkeep runs without a gap; it expires if there is a gap."""
CALLBACK_SECRETS = "callback_secrets"
"""Hash: ``digests``, the digests of the callback secrets, joined by blanks; ``changed_ms``, when a secret changed."""
PROCESSES = "processes"
"""The hash tag of the running processes, in place of a sender."""
HEARTBEATS = "{processes}:p"
"""Hash at ``{processes}:p:<kind>:<host>:<process id>``: the last heartbeat of a process, see ``HeartbeatField``.
The hash expires two minutes after the heartbeat."""
PROCESSES_SEEN = "{processes}:seen"
"""Sorted set: ``<kind>:<host>:<process id>`` of each process with a heartbeat, by the time of its last heartbeat."""
KINDS_SEEN = "{processes}:kinds"
"""Hash: kind of process to the time at which any process of the kind was last seen; never expires."""
SCHEMA = "{processes}:schema"
"""Hash: the schema of the ledger, see ``SchemaField``; missing in a ledger of schema 1.0."""
BEAT_LEASE = "{processes}:beat"
"""Hash: the lease of beat, see ``BeatField``; never expires, because the fencing token must not repeat."""
MEMORY_HISTORY = "{processes}:memory"
"""Hash: number of a span of ten minutes since the epoch to the bytes that Redis used in it; the last day is kept."""
ALERTS = "alerts"
"""The hash tag of the alerts, in place of a sender."""
ALERTS_LEASE = "{alerts}:lease"
"""String: the token of the process that decides about alerts, a blank, and the number of its last call; expires."""
ALERTS_OPEN = "{alerts}:open"
"""Hash: id of an alert to an ``AlertRecord`` in JSON; alerts that are not over, or about which to notify a target."""
ALERTS_ENDED = "{alerts}:ended"
"""Sorted set: ``AlertRecord`` in JSON by the time at which the alert ended; the newest 500 are kept."""
ALERT_TARGETS = "{alerts}:targets"
"""Hash: name of a target of alerts to a ``TargetState`` in JSON."""
ALERTS_WATCHED = "{alerts}:watched"
"""Hash: the campaigns at the last check for alerts, see ``WatchedField``."""
RETENTION_PROBLEM = "{retention}:problem"
"""String: why the last run of the retention could not finish all its work, for people; expires after a week."""
RETENTION_LOCK = "{retention}:lock"
"""String: the lock of the worker that archives and erases; it expires a minute after the worker's last step."""
CONNECTION_PROBE = "{check}:probe"
"""String, for a millisecond: a process writes this key at its start, to check that Redis takes writes."""

REPORTS = "reports"
"""Stream: posted bodies that a receiver stored and no reconciler has finished; an entry holds one body or more."""
RECONCILERS = "reconcilers"
"""The consumer group of the reconcilers in the stream ``reports``."""
RELAY = "relay"
"""Stream: posted bodies that belong to another system of the same provider account, and wait to be relayed."""
RELAYS = "relays"
"""The consumer group of the processes that post the bodies of the stream ``relay``."""
RELAY_ID = "reports:relay_id"
"""String: the name of this ledger's relays in the header Via, by which a receiver recognises their posts."""
FORWARD_LANE = "{reports}:forward"
"""Sorted set at ``{reports}:forward:<lane>``: reports of our messages that wait to be posted to another system, by the
time of their entry in the stream ``reports``. A member holds the entry's id (u64, u64), the position in the entry u32,
and the packed event (callbacks/relay/forward_queue.py). The hash tag puts the lanes into the slot of ``reports``,
because a transaction reads both."""
FORWARD_OWNER = "{reports}:forward:owner"
"""String: the name of the process that forwards; expires 15 s after the process died."""
FORWARD_TOTALS = "{reports}:forward:totals"
"""Hash: counts of forwarded, refused and dropped events: ``ForwardCount`` (ledger/reports/forward_backlog.py), and
``bytes``, the memory of the events that wait."""
DEAD_LETTERS = "reports:rejected"
"""Stream: report events that could not be used, each with its reason."""
FOREIGN_DEAD_LETTERS = "reports:rejected:foreign"
"""Stream: report events that could not be used and are not about our messages, each with its reason."""
LONG_DEAD_LETTERS = "reports:rejected:long"
"""Stream: like ``reports:rejected``, but for long events, and with fewer entries."""
LONG_FOREIGN_DEAD_LETTERS = "reports:rejected:foreign:long"
"""Stream: like ``reports:rejected:foreign``, but for long events, and with fewer entries."""
DEAD_LETTERS_SEARCHED = "reports:rejected:searched"
"""Hash: name of a stream of dead letters to the id of the last entry in which forgotten numbers were hidden."""
DEAD_LETTER_TOTALS = "reports:rejected:totals"
"""Hash: reason to how many events were ever moved to the dead letters for this reason."""

OPT_OUTS = "opt_outs"
"""The hash tag of the opt-out list, in place of a sender."""
OPT_OUTS_CHANGES = "{opt_outs}:any"
"""Counter: how many times the opt-out list was changed; missing if no number was ever put on the list."""
OPT_OUTS_BUCKET = "{opt_outs}:n"
"""Set at ``{opt_outs}:n:<beginning of the number>``: the last five digits, as integers, of numbers on the list."""
OPT_OUTS_DEAD = "{opt_outs}:dead"
"""Hash at ``{opt_outs}:dead:<beginning of the number>``: the last five digits of dead numbers, as integers, to the day
since the epoch times 65,536, plus the code. It expires if it gets no new number for as long as dead numbers count."""
OPT_OUTS_HAS_DEAD = "{opt_outs}:any_dead"
"""String: exists while any dead number counts; expires."""

FORGOTTEN_NUMBERS = "{opt_outs}:forgotten"
"""Set: keyed digests, 12 bytes, of the numbers that are forgotten (ledger/numbers/forgotten_numbers.py)."""
FORGOTTEN_KEY = "{opt_outs}:forgotten_key"
"""String: the digest of the key of these digests; missing if no number was ever forgotten."""
LATE_STOPS = "{opt_outs}:late_stops"
"""Set: ``<campaign>:<index>`` of each archived message that was answered with a stop word, until its number is opted
out."""
SEALED = "{opt_outs}:sealed"
"""Sorted set: the sealed records of forgotten numbers, each as JSON (archive/erasure/sealing.py), by the time of their
erasure."""

REPLICATED = "replicated"
"""String at ``{TIMESM}:replicated``, for a minute: a worker writes this key to check whether replicas have all earlier
writes."""


class SenderKey(StrEnum):
    """The ends of a sender's keys, after the hash tag: ``{TIMESM}:leases``."""

    SENDER = "sender"
    """Hash: the sender's limits, its pace, and its stops, see ``SenderField`` and ``ProviderField``."""
    ROTATION = "rotation"
    """Sorted set: campaigns with batches to issue, by the number of their turn."""
    ROTATION_OWN = "rotation:own"
    """Sorted set: the rotation of campaigns with a rate limit of their own."""
    ROTATION_URGENT = "rotation:urgent"
    """Sorted set: the rotation of urgent campaigns, whose batches are issued before all others."""
    WAITING = "waiting"
    """Sorted set: campaigns that enter the rotation later, by the time at which they enter it."""
    BLOCKED = "blocked"
    """Sorted set: campaigns that no provider of their chain can serve, or whose validity or send window is over by the
    clock of Redis; batch members that wait for copies of other campaigns. Each member by the time at which it enters
    the rotation again, at most a minute ahead. A resume of the sender sets this time to 0."""
    LEASES = "leases"
    """Sorted set: batch members that are issued or leased, by the time at which the lease ends."""
    BATCHES_OUT = "batches_out"
    """Set: batch members that are issued or leased and still have messages to open."""
    BATCHES_OUT_OWN = "batches_out:own"
    """Set: the batches out of campaigns with a rate limit of their own."""
    BATCHES_OUT_URGENT = "batches_out:urgent"
    """Set: the batches out of urgent campaigns."""
    SETTLE_DUE = "settle_due"
    """Sorted set: batch members with messages that upkeep will settle, by the time at which upkeep will settle them."""
    VALIDITY_ENDS = "validity_ends"
    """Sorted set: campaigns by the end of their validity; 0 for a cancelled campaign."""
    SEND_WINDOWS = "send_windows"
    """Sorted set: campaigns with a send window, by the time at which the send window closes."""
    LIVE = "live"
    """Set: campaigns that are neither finished nor cancelled."""
    ENDED = "ended"
    """Sorted set: campaigns that are finished or cancelled, by the time of their creation."""
    ARCHIVED = "archived"
    """Sorted set: campaigns whose messages are in the archive and not in Redis, by the time of their creation."""
    ERASED = "erased"
    """Sorted set: campaigns whose archive was erased, by the time of their creation; their counters can be read."""
    LEAVING = "leaving"
    """Set: archived campaigns that still have keys to delete."""
    CHANGED = "changed"
    """Set: campaigns that changed since upkeep last showed them."""
    SHOWING = "showing"
    """Sorted set: campaigns that a worker is showing, each with the worker, by the time from which another worker shows
    them."""
    UPKEEP_SINCE = "upkeep_since"
    """String, on a cluster only: the time since which upkeep reaches the sender without a gap; it expires when there is
    a gap. A single Redis has ``upkeep:since`` for all senders."""
    STATISTICS = "statistics"
    """Sorted set: the rollups of the statistics, ``<day>:<provider>:<template>``, by the day (days since the epoch, in
    India). Hash at ``statistics:<day>:<provider>:<template>``: a rollup, see ``StatisticsField``; it expires after
    1,100 days."""
    MINUTES = "minutes"
    """Hash at ``minutes:<hour>``, by the hour since the epoch in India: counters by the minute and the letter of a
    course, see ``StatisticsField.COURSE``; it expires a day later."""
    LINKS = "links"
    """Hash: the numbers of the campaigns with tracked links, see ``LinksField``."""
    NUMBER_SAMPLES = "number_samples"
    """Sorted set: campaigns with a sample of their numbers, by the time at which the sample expires."""
    SILENCE = "silence"
    """Hash: nickname of a provider to the recent samples of its delivery reports, a ``SilenceRecord`` in JSON."""
    SILENCE_LOOKED = "silence_looked"
    """String, for some seconds: a worker has checked whether reports are missing."""
    COMPLAINTS = "complaints"
    """Sorted set: references of complaints about the sender, by the time of the complaint; kept for 400 days."""
    TRAIL = "trail"
    """Stream: who changed what, and when; each entry has one field, see ``TrailEntry`` (ledger/trail.py). The opt-out
    list has its trail at ``{opt_outs}:trail``."""
    RECENT_TEXTS = "recent_texts"
    """Hash at ``recent_texts:<digest of the text>:<period>``: the campaigns that used a registered text in a period,
    see ``RegistryField``. Hash at ``recent_texts:<digest>:<period>:<size class>:<bucket>``: fingerprint of (phone,
    text), 6 bytes, to a frequency entry of 9 bytes: number of the campaign, index of the message in the campaign, time
    since the period began. A period is as long as the text may not be repeated; periods are counted from the epoch."""
    RECENT_PHONES = "recent_phones"
    """Hash at ``recent_phones:<period>``: the campaigns that texted any phone in a period, see ``RegistryField``. Hash
    at ``recent_phones:<period>:<phone without its last five digits>``: the last five digits to frequency entries of 12
    bytes: number of the campaign, index of the message, attempt, epoch seconds. Periods are counted from the epoch."""


class CampaignKey(StrEnum):
    """The ends of a campaign's keys: ``{TIMESM}:c:diwali01:codes``. ``CampaignField`` describes the campaign itself."""

    CODES = "codes"
    """Hash: counters of messages by ``<CodeOrigin>:<code>``."""
    REDO = "redo"
    """List: numbers of batches that are to be issued again, the next one first."""
    FAILURES = "failures"
    """Hash: number of a batch on which workers failed to a note, joined by blanks: how many times, the kind of the last
    error, the names of the workers. A success deletes the entry."""
    RECENT_PUSH = "recent_push"
    """String: one byte for each of the last pushes, ``1`` if the push was rejected, else ``0``; the oldest is
    overwritten."""
    RECENT_REPORT = "recent_report"
    """String: one byte for each of the last delivery reports, ``1`` if the report says failed, else ``0``; the oldest
    is overwritten."""
    NUMBER_SAMPLE = "number_sample"
    """String: name, template and a sample of the numbers of a recent campaign, see ``ledger/numbers/samples.py``; it
    expires three days after the submit or the start."""
    CLICKED = "clicked"
    """Set: digests, 8 bytes, of the clicks that were counted."""
    VISITS = "visits"
    """Hash: ``<name of a links process>:<block>`` to a bitmap of 1,024 visits of tracked links that were counted, by
    their numbers."""
    REPLIED = "replied"
    """Set: digests, 8 bytes, of the replies that were counted."""
    OPTED_OUT = "opted_out"
    """Set: digests, 8 bytes, of opt-outs, which earlier versions kept."""
    CLICKERS = "clickers"
    """Bitmap: 1 for each message that was clicked, by its index in the campaign. Bitmap at ``clickers:<link>``: the
    messages in which this link was clicked; the number is 0 for clicks of which the link is not known."""
    REPLIERS = "repliers"
    """Bitmap: 1 for each message that was replied to, by its index in the campaign."""
    UNSUBSCRIBERS = "unsubscribers"
    """Bitmap: 1 for each message whose recipient asked for no more messages, by its index in the campaign."""
    STATISTICS = "statistics"
    """Hash: the statistics of the campaign, see ``StatisticsField``."""
    ATTEMPTS = "attempts"
    """Hash: index of a message that was sent again to its attempts, 5 bytes each: attempt, index of the provider, day
    u16, and a sum: 1 if the provider is known to have accepted the attempt, 2 if the message was sent again because the
    attempt failed."""
    RETRIES = "retries"
    """Bitmap: 1 for each failed message that waits for a second try, by its index in the campaign."""
    REACTED = "reacted"
    """Bitmap, in campaigns with a rule for second tries: 1 for each message that gets no second try, by its index in
    the campaign, because somebody clicked or replied, or its number is forgotten."""
    LINK_PREVIEWED = "link_previewed"
    """Set: digests, 8 bytes, of the previews of tracked links that were counted."""
    LINK_SCANNED = "link_scanned"
    """Set: digests, 8 bytes, of the fetches of tracked links by other programs that were counted."""
    LINK_PROBED = "link_probed"
    """Set: digests, 8 bytes, of the HEAD requests to tracked links that were counted."""


class BatchKey(StrEnum):
    """The kinds of a batch's keys, between the campaign's key and the batch's number: ``{TIMESM}:c:diwali01:m:0``."""

    RECIPIENTS = "p"
    """String: the batch's recipients and their values, packed (``ledger/records.py``)."""
    PARTS = "k"
    """String: the SMS parts of each message, one byte each; missing if every message has one part."""
    FINGERPRINTS = "t"
    """String: a fingerprint of two bytes for each message's number (``ledger/numbers/fingerprints.py``); missing in
    batches that an older version stored."""
    MESSAGES = "m"
    """String: a state byte for each message, then a record of 22 bytes for each (``lua/lib/records.lua``). Missing
    until a worker first takes the batch, unless messages of the batch are suppressed from the start."""
    LEASE = "b"
    """Hash, while the batch is leased: see ``LeaseField``."""
    RELEASE = "r"
    """String, for a minute after a worker released the batch: the token, a blank, and how many messages became in
    doubt."""


class SenderField(StrEnum):
    """Fields of a sender's hash ``{TIMESM}:sender``."""

    RATE = "rate"
    """The sender's rate limit, messages or SMS parts per second; 0 is no limit."""
    CONFIGURED_RATE = "configured_rate"
    """The rate that the settings last had; a rate that a person set stays until this rate changes."""
    LAST_SEND_TIME_US = "last_send_time_us"
    """The last send time that the sender's pace gave out."""
    LAST_SEND_TIME_COST = "last_send_time_cost"
    """The cost of the message at that send time, in the unit of the rate."""
    DELAY_ENDS_US = "delay_ends_us"
    """While Redis is slow, or was slow lately: the time at which the delay of all pushes will have shrunk to 0;
    microseconds since the epoch."""
    PAUSED = "paused"
    """1 while the sender is paused."""
    PAUSE_REASON = "pause_reason"
    """Why a person paused the sender; missing without a reason."""
    STOPPED_US = "stopped_us"
    """When the sender was last paused, or braked at a provider; microseconds since the epoch."""
    MAX_PARTS_PER_DAY = "max_parts_per_day"
    """The daily cap: SMS parts from midnight to midnight in Asia/Kolkata; 0 is no limit."""
    DAY = "day"
    """The day for which ``day_parts`` counts: days since the epoch, in Asia/Kolkata."""
    DAY_PARTS = "day_parts"
    """SMS parts of that day."""
    SILENT = "silent"
    """Nicknames of the silent providers, joined by blanks: their delivery reports are missing, and promotional messages
    are held back from them; missing if there are none."""
    FULL_DAY = "full_day"
    """The day whose SMS parts are used up."""
    FENCE = "fence"
    """The last fencing token."""
    TURN = "turn"
    """The last number of a turn in the rotation."""
    STARTS_SINCE_MS = "starts_since_ms"
    """While more campaigns wait for their start than one call starts: the time of the first call in the series of calls
    that start campaigns without a gap. A start that was due at this time, or up to a minute before, is not missed."""
    STARTS_UNTIL_MS = "starts_until_ms"
    """The time of the last call in the series, see ``STARTS_SINCE_MS``."""


class ProviderField(StrEnum):
    """Fields of the sender's hash for one provider: ``brake@times``, with the provider's nickname after the ``@``."""

    BRAKE = "brake"
    """Why the provider is braked for the sender until a person resumes the sender; empty or missing without a brake."""
    BACK_OFF_SINCE_US = "back_off_since_us"
    """When the sender last began to back off; microseconds since the epoch."""
    BACK_OFF_UNTIL_US = "back_off_until_us"
    """When the sender may try the provider again."""
    BACK_OFF_COUNT = "back_off_count"
    """How many times in a row the sender began to back off; 0 or missing if the sender does not back off."""
    BACK_OFF_REASON = "back_off_reason"
    """Why the sender backs off, for people."""
    ANSWERED_US = "answered_us"
    """When the provider last accepted or rejected a message of the sender, exact to a second; microseconds (epoch)."""
    PROBE_US = "probe_us"
    """When the next probe may be sent while the sender backs off."""
    SILENT_SINCE_US = "silent_since_us"
    """Since when promotional messages are held back, because reports are missing; microseconds since the epoch."""
    SILENT_REASON = "silent_reason"
    """Which reports are missing, for people."""
    SILENCE_PROBE_US = "silence_probe_us"
    """When the next promotional message may be sent, to find out whether reports come again."""
    SILENCE_WAIT_MS = "silence_wait_ms"
    """How long to wait after this message for the next such message, milliseconds; doubled each time."""


class CampaignField(StrEnum):
    """Fields of a campaign's hash ``{TIMESM}:c:diwali01``, besides a counter for each ``MessageState``."""

    PLAN = "plan"
    """The settings of the campaign for workers, frozen at submit: a ``Plan`` in JSON."""
    SCHEMA = "schema"
    """The minor schema that a worker needs for the campaign (ledger/schema.py); missing in campaigns of versions before
    schema 1.3, which need none."""
    STATE = "state"
    """The state of the campaign: a ``CampaignState``."""
    REASON = "reason"
    """Why the campaign is paused, braked or cancelled: a ``StopReason``, or a text for people."""
    REASON_DETAIL = "reason_detail"
    """A number that belongs to the reason: for ``budget_spent`` the budget in SMS parts, else empty or missing."""
    STOPPED_US = "stopped_us"
    """When the campaign was last paused or braked; microseconds since the epoch."""
    TOTAL = "total"
    """Counter: all messages of the campaign."""
    BATCHES = "batches"
    """Counter: batches of the campaign."""
    BATCH_SIZE = "batch_size"
    """How many messages a full batch has; only the last batch may have fewer."""
    NEXT_BATCH = "next_batch"
    """The number of the first batch that was never issued."""
    BATCHES_OUT = "batches_out"
    """Counter: the campaign's batches that are out."""
    RATE = "rate"
    """The campaign's own rate limit, messages or SMS parts per second; 0 is no limit of its own."""
    LAST_SEND_TIME_US = "last_send_time_us"
    """The last send time of the campaign's own pace."""
    LAST_SEND_TIME_COST = "last_send_time_cost"
    """The cost of the message at that send time."""
    DELAY_ENDS_US = "delay_ends_us"
    """Like the sender's field of this name, for a campaign with a rate of its own whose sender has no rate."""
    COST_UNIT = "cost_unit"
    """The unit of the rate: messages or parts."""
    CHAIN = "chain"
    """Nicknames of the campaign's providers by priority, joined by blanks."""
    URGENT = "urgent"
    """1 if the campaign's batches go through the urgent queue, else 0."""
    IN_DOUBT = "in_doubt"
    """The policy for messages in doubt at the end of the validity: give_up or resend."""
    RESENDING = "resending"
    """1 once the policy sends messages in doubt again."""
    RESENT = "resent"
    """1 once messages were sent again: after doubt, by policy or by a person, or as second tries."""
    RETRY_CODES = "retry_codes"
    """The codes of failed reports that lead to a second try, joined by blanks; missing without a rule."""
    RETRY_AFTER_S = "retry_after_s"
    """How long after the report each second try is made, seconds, joined by blanks."""
    RETRY_AT_MOST = "retry_at_most"
    """How many second tries a message gets."""
    RETRIES_WAITING = "retries_waiting"
    """Counter: failed messages that wait for a second try; missing if there is none."""
    VALIDITY_MS = "validity_ms"
    """How long the validity was at the submit, milliseconds; missing until messages in doubt are sent again."""
    MAX_PARTS = "max_parts"
    """The budget: SMS parts that the campaign may hand to providers; 0 is no limit."""
    PARTS_OUT = "parts_out"
    """Counter: SMS parts of the messages that were opened, less the parts of messages that no provider took."""
    PARTS = "parts"
    """Counter: SMS parts of the messages that a provider accepted."""
    MISSED_START = "missed_start"
    """The policy if no process ran at the campaign's start, skip or ask; missing once the campaign has started."""
    BRAKE_PUSH_LAST = "brake_push_last"
    """How many of the last pushes the automatic brake counts; with 0 pushes never brake the campaign."""
    BRAKE_PUSH_SHARE = "brake_push_share"
    """The share of rejected pushes among the last pushes above which the campaign is braked."""
    BRAKE_REPORT_LAST = "brake_report_last"
    """How many of the last delivery reports the automatic brake counts; with 0 reports never brake the campaign."""
    BRAKE_REPORT_SHARE = "brake_report_share"
    """The share of failed reports among the last delivery reports above which the campaign is braked."""
    PUSH_SEEN = "push_seen"
    """Pushes that the automatic brake counted since the campaign was last resumed."""
    PUSH_BAD = "push_bad"
    """Rejected pushes among the last pushes."""
    REPORT_SEEN = "report_seen"
    """Delivery reports that the automatic brake counted since the campaign was last resumed."""
    REPORT_BAD = "report_bad"
    """Failed reports among the last delivery reports."""
    ENDED_BATCHES = "ended_batches"
    """How many batches the current round of ``end_pending`` has ended or passed over."""
    UNOPENED_STATE = "unopened_state"
    """The state of all messages in batches below ``unopened_before`` that have no records: expired or cancelled."""
    UNOPENED_BEFORE = "unopened_before"
    """The number of the first batch for which ``unopened_state`` does not hold."""
    START_MS = "start_ms"
    """When sending begins; 0 is at once."""
    UNTIL_MS = "until_ms"
    """The end of the validity."""
    SEND_WINDOW_OPENS_MS = "send_window_opens_ms"
    """When the current or next send window opens; missing if the campaign sends at any hour."""
    SEND_WINDOW_CLOSES_MS = "send_window_closes_ms"
    """When that send window closes; missing if the campaign sends at any hour."""
    REPORT_WAIT_MS = "report_wait_ms"
    """How long an accepted message waits for its report, milliseconds."""
    CREATED_MS = "created_ms"
    """When the campaign was created; the times of its messages count from here."""
    SEALED_MS = "sealed_ms"
    """When all batches of the campaign were stored."""
    FIRST_SENT_MS = "first_sent_ms"
    """When the campaign's first block was opened."""
    LAST_SENT_MS = "last_sent_ms"
    """When the campaign's last block was opened."""
    SENT_DAYS = "sent_days"
    """The days and the providers under which the statistics count messages of the campaign that were sent, are in
    doubt, or were rejected or suppressed: ``<day>:<provider>`` (days since the epoch, in India), each after a blank.
    Missing in a campaign that an earlier version created."""
    SENT_DAYS_UNTIL_MS = "sent_days_until_ms"
    """The ``last_sent_ms`` up to which ``sent_days`` has all days; ``0`` before the first block. It stays behind
    ``last_sent_ms`` once an earlier version, which keeps no days, has opened a block; then days may be missing."""
    FINISHED_MS = "finished_ms"
    """When the campaign was finished."""
    PROMOTIONAL = "promotional"
    """1 if the messages are promotional; else missing."""
    ARCHIVE = "archive"
    """An ``ArchiveState``; missing until the campaign is archived. Once the campaign is archived, its hash has only the
    fields that begin with ``archive``."""
    ARCHIVE_OPERATION = "archive_operation"
    """The id of the attempt to archive the campaign, which names the files of the attempt."""
    ARCHIVE_FOLDER = "archive_folder"
    """The path or URL of the folder in which the campaign was archived."""
    ARCHIVE_NAME = "archive_name"
    """The name of an archived campaign."""
    ARCHIVE_TEMPLATE = "archive_template"
    """The template of an archived campaign."""
    ARCHIVE_ENDED_MS = "archive_ended_ms"
    """When an archived campaign was finished or cancelled."""
    ARCHIVE_SENT_DAYS = "archive_sent_days"
    """The ``sent_days`` of an archived campaign; missing if an earlier version created, sent or archived some of it."""
    ARCHIVE_CODES = "archive_codes"
    """The codes of an archived campaign's messages: ``<state>:<code>``, with the letter of a ``MessageState``, and
    blanks between them; missing if an earlier version archived the campaign.
    """
    ARCHIVE_BATCHES = "archive_batches"
    """Counter: batches of an archived campaign that are still to be deleted; missing when nothing is left to delete."""
    TEMPLATE = "template"
    """The name of the template, under which the statistics count."""
    PRICE = "price"
    """The price of one SMS part in millionths of a rupee, at the submit; 0 if there was none."""


class StatisticsField(StrEnum):
    """Fields of the statistics of a campaign, and of a rollup, besides a counter for each ``MessageState``."""

    PARTS = "parts"
    """SMS parts of all attempts that a provider accepted."""
    COST = "cost"
    """The price of these parts, millionths of a rupee."""
    UNPRICED = "unpriced"
    """How many of these parts had no price."""
    CLICKED = "clicked"
    """Clicks."""
    CLICKERS = "clickers"
    """Messages with a click."""
    REPLIED = "replied"
    """Replies."""
    OPTED_OUT = "opted_out"
    """Messages whose recipients asked for no more messages, by a reply or on an opt-out page."""
    LINK = "link:"
    """``link:<number>``: clicks on a tracked link; in the statistics of a campaign only."""
    LINK_FETCH = "link_"
    """``link_previewed``, ``link_scanned``, ``link_probed``: fetches of tracked links by programs, see ``Stat``."""
    RETRIED = "retried:"
    """``retried:<n>``: messages whose n-th second try a provider accepted, on the day of that try."""
    RECOVERED = "recovered:"
    """``recovered:<n>``: messages that were delivered by their n-th second try."""
    REFUSED = "refused:"
    """``refused:<reason>``: rows of the recipients file that the checks refused."""
    KEPT_PARTS = "kept_parts:"
    """``kept_parts:<reason>``: SMS parts that were not sent for a reason: a refusal (one part for each row), or the
    code of a ``Suppression``."""
    KEPT_COST = "kept_cost:"
    """``kept_cost:<reason>``: the price of these parts, millionths of a rupee."""
    CODE = ":"
    """``<state>:<code>``, with the letter of a ``MessageState``: messages by state and code."""
    DELIVERY_TIME = "t"
    """``t<number>``: messages by the time until their delivery, see ``ledger/statistics/delivery_times.py``."""
    COURSE = "h"
    """``h<hour><letter>``: the course; the hour of the day in a rollup, and the hour since the epoch (in India) in a
    campaign. Letters: s sent, d delivered, e errors, c clicks."""


class LeaseField(StrEnum):
    """Fields of the hash of a leased batch, ``{TIMESM}:c:diwali01:b:0``."""

    TOKEN = "token"  # noqa: S105 - a fencing token is no secret
    """The fencing token of the worker that holds the lease; missing until a worker takes the batch."""
    TAKE_OPERATION = "take_operation"
    """The id of the call that took the batch."""
    TAKEN_MS = "taken_ms"
    """When the batch was taken; the turn of its campaign counts from this time."""
    COUNT = "count"
    """How many messages the batch has."""
    LEASE_MS = "lease_ms"
    """How long the lease lasts without renewal, milliseconds."""
    FIRST_PENDING = "first_pending"
    """No message before this index is pending."""
    LAST_BLOCK = "last_block"
    """The number of the last block that was opened; counts from 1, modulo 65,536."""
    WORKER_BLOCK = "worker_block"
    """The last block that the worker got, by its own count, when it opened the next block; -1 without a count."""
    OPERATION = "operation"
    """The id of the call that opened the last block."""
    OPENED_BLOCK = "opened_block"
    """The last block that was opened, packed as ``open_block.lua`` says."""
    WAITS_UNTIL_MS = "waits_until_ms"
    """When messages that wait for a copy of another campaign are tried again; missing if no message waits."""


class RegistryField(StrEnum):
    """Fields of the hashes that number the campaigns of a period: ``{TIMESM}:recent_texts:<digest>:<period>``."""

    ENTRIES = "entries"
    """Counter: frequency entries of the period."""
    CAMPAIGNS = "campaigns"
    """Counter: campaigns with entries in the period."""
    CAMPAIGN_NUMBER = "campaign_number"
    """``campaign_number:<campaign>``: the number that stands for the campaign in the entries of the period, from 1."""
    ID = "id"
    """``id:<campaign number>``: the campaign for which the number stands."""


class LinksField(StrEnum):
    """Fields of the hash ``{TIMESM}:links``, which numbers the sender's campaigns with tracked links."""

    LAST = "last"
    """Counter: the last number."""
    NUMBER = "number"
    """``number:<campaign>``: the number of a campaign, from 1."""
    CAMPAIGN = "campaign"
    """``campaign:<number>``: the campaign with a number."""


class IdKeyField(StrEnum):
    """Fields of the hash ``id_key``; while the key was never changed, the hash has only the first field."""

    DIGEST = "digest"
    """Digest of the key that signs correlation ids."""
    PREVIOUS = "previous"
    """Digest of the previous key."""
    CHANGED_MS = "changed_ms"
    """When the key was changed."""


class HeartbeatField(StrEnum):
    """Fields of the hash of a process, ``{processes}:p:worker:web1:71``."""

    RECORD = "record"
    """The information of the process about itself: a ``HeartbeatRecord`` in JSON."""
    SEEN_MS = "seen_ms"
    """The time of the last heartbeat."""
    AHEAD_MS = "ahead_ms"
    """By how many milliseconds the clock of the process' host was ahead of Redis' clock."""


class SchemaField(StrEnum):
    """Fields of the hash ``{processes}:schema`` (ledger/schema.py)."""

    MAJOR = "major"
    """The schema of the newest process that worked with the ledger."""
    MINOR = "minor"
    """The minor schema of that process, for changes that earlier versions ignore."""
    VERSION = "version"
    """The version of the program that last raised the major or the minor schema."""


class BeatField(StrEnum):
    """Fields of the hash ``{processes}:beat``, the lease of beat."""

    OPERATION = "operation"
    """The id that the holder chose at its start."""
    PROCESS = "process"
    """The host and the process id of the holder: ``web1:71``."""
    TOKEN = "token"  # noqa: S105 - a fencing token is no secret
    """The last fencing token."""
    UNTIL_MS = "until_ms"
    """When the lease ends; 0 after a release."""


class WatchedField(StrEnum):
    """Fields of the hash ``{alerts}:watched``."""

    UNTIL_MS = "until_ms"
    """The time of the last check of the ledger for alerts."""
    LIVE = "live"
    """The campaigns that were live at the last check, by sender; JSON."""
    ENDED = "ended"
    """The ended campaigns that were created since ``ended_since_ms``, by sender; JSON."""
    ENDED_SINCE_MS = "ended_since_ms"
    """A day before the last check; missing after a check by an earlier version, which took a minute before the check.
    """


class CodeOrigin(StrEnum):
    """The origins of the codes in a campaign's hash of codes."""

    PUSH = "push"
    """The provider's response to a push that left the message rejected or in doubt."""
    RETRY = "retry"
    """The provider's response to a push whose message became pending again, or whose message is failed again because
    its second try was not sent (then also a ``Suppression``)."""
    REPORT = "report"
    """A delivery report that says failed."""
    SUPPRESSED = "suppressed"
    """Our own reason why the message was not sent, a ``Suppression``."""


STAT_PREFIX = "stat:"
"""The beginning of the field of a ``Stat`` in a campaign's hash."""


RESEND_PREFIX = "resend:"
"""The beginning of a field in a campaign's hash that names a resend of the campaign.

The id of the resend follows. The value is the time at which the resend was created, in epoch milliseconds.
"""


class Stat(StrEnum):
    """Counters of a campaign besides the states of its messages."""

    REPORTS = "reports"
    """Delivery reports that settled a message."""
    DUPLICATE_REPORTS = "duplicate_reports"
    """Delivery reports that changed nothing."""
    REPORTED_WHILE_PENDING = "reported_while_pending"
    """Messages that were pending when a report proved that they had been sent."""
    PART_DISAGREEMENTS = "part_disagreements"
    """Accepted messages for which the provider counted another number of parts than the ledger."""
    CLICKED = "clicked"
    """Clicks on links in messages."""
    REPLIED = "replied"
    """Replies to messages."""
    LINK_PREVIEWED = "link_previewed"
    """Tracked links that a program fetched to show a preview, or in advance."""
    LINK_SCANNED = "link_scanned"
    """Tracked links that a scanner, a crawler or another program fetched."""
    LINK_PROBED = "link_probed"
    """HEAD requests to tracked links."""


def hash_tag(owner: str) -> str:
    """Return the hash tag with which all keys of a sender (or of the opt-out list) begin."""
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


def statistics_key(sender: SenderId, campaign: CampaignId) -> str:
    """Return the key of a campaign's statistics."""
    return f"{campaign_key(sender, campaign)}:{CampaignKey.STATISTICS}"


def batch_key(sender: SenderId, campaign: CampaignId, kind: BatchKey, batch_number: int) -> str:
    """Return a key of a batch: ``{TIMESM}:c:diwali01:m:0``."""
    return f"{campaign_key(sender, campaign)}:{kind}:{batch_number}"


def provider_field(name: ProviderField, provider: str) -> str:
    """Return the field of a sender's hash for one provider: ``brake@times``."""
    return f"{name}@{provider}"


def batch_member(campaign: CampaignId, batch_number: int) -> str:
    """Return the name of a batch in the sets of its sender."""
    return f"{campaign}:{batch_number}"


def split_batch_member(member: str) -> tuple[CampaignId, str]:
    """Return the campaign and the number of a batch member; the number is empty if the member is damaged."""
    campaign, _, batch_number = member.partition(":")
    return CampaignId(campaign), batch_number
