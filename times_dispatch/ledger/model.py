"""The values that producers, workers and callbacks exchange: campaign plans, batches, recipients and campaign views."""

from enum import StrEnum
from typing import Literal, NewType

import msgspec

from times_dispatch.ledger.states import UNSENT, CampaignState, MessageState

SenderId = NewType("SenderId", str)
"""A sender's header, as registered: ``TIMESM``. The header is also the hash tag of all the sender's keys. In the
ledger, a ``SenderId`` may also be the name of a lane of the sender (ledger/lanes/names.py)."""

CampaignId = NewType("CampaignId", str)
"""Eight characters of ``[0-9a-z]``; the first part of every correlation id of the campaign."""

InDoubtPolicy = Literal["give_up", "resend"]
"""The policy, at the end of the validity, for a message whose push may or may not have reached the provider."""
MissedStart = Literal["send", "skip", "ask"]
"""The policy for a campaign whose start passed while no worker ran: send late, cancel, or pause until resumed."""
CostUnit = Literal["messages", "parts"]
"""The unit that a sender's rate counts."""


class LinkTarget(msgspec.Struct, frozen=True):
    """The address to which a tracked link leads."""

    name: str
    """The name of the link in the campaign file."""
    literals: list[str]
    """The pieces of the address before, between and after the values of the recipient's row."""
    columns: list[int] = []
    """For each value between two literals, its column in ``Recipients.link_values``."""


class TrackedLinks(msgspec.Struct, frozen=True, kw_only=True):
    """The tracked links of a campaign (``times_dispatch.links``)."""

    prefix: str
    """The beginning of each link: ``https://go.brand.in/TIMESM/``."""
    targets: list[LinkTarget]
    key_digest: str
    """The digest of the key that signs the codes, so that workers and the links process use the same key."""
    number: int = 0
    """The campaign's number among those of its sender that have links; 0 until the submit numbers the campaign."""
    has_opt_out: bool = False
    """Whether recipients can opt out at the URL of a link with ``/stop`` after it."""


class RetryRule(msgspec.Struct, frozen=True, kw_only=True):
    """The rule by which messages with a failed delivery report are sent again."""

    codes: list[int]
    """The codes of the reports that lead to a second try."""
    after_s: list[int]
    """For each second try, its time after the report, in seconds; the last value holds for all further tries."""
    at_most: int
    """How many second tries a message gets."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that workers need to know about a campaign.

    The plan is frozen when the campaign is submitted: later changes of the settings do not affect it.
    """

    name: str
    sender: SenderId
    provider: str
    template: str
    content_id: str
    text: str
    """The registered text, with its ``{#var#}`` slots."""
    category: str
    entity_id: str = ""
    rate_per_s: float = 0.0
    """The campaign's own rate limit, below its sender's; 0 means no limit of its own."""
    cost_unit: CostUnit = "messages"
    in_doubt: InDoubtPolicy = "give_up"
    start_at_ms: int = 0
    """Epoch milliseconds before which nothing is sent; 0 means that sending starts at once."""
    valid_until_ms: int
    """Epoch milliseconds after which pending messages expire and ``in_doubt`` applies to messages in doubt."""
    report_wait_s: int = 72 * 3600
    """Seconds without a report after which an accepted message becomes ``no_report`` (docs/domain.md section 3)."""
    urgent: bool = False
    """Whether the campaign goes through the queue that workers empty first."""
    missed_start: MissedStart = "send"
    send_from_min: int = 0
    """Start of the daily send window, in minutes after midnight in ``zone``."""
    send_until_min: int = 0
    """End of the daily send window, exclusive, in the same minutes; if start and end are 0, any time is allowed."""
    zone: str = "Asia/Kolkata"
    max_parts: int = 0
    """SMS parts that the campaign may hand to the provider; 0 means no limit."""
    fallbacks: list[str] = []
    """Providers to use, in this order, while ``provider`` is braked or unreachable."""
    custom: dict[str, str] = {}
    """Values of the provider's own placeholders, by name without the ``$$``."""
    tracked_links: TrackedLinks | None = None
    """The links whose clicks are counted; None if the campaign has none."""
    retry: RetryRule | None = None
    """The rule for second tries of failed messages; None if there are no second tries."""
    resend_of: str = ""
    """The campaign whose messages this campaign sends once more; empty if this campaign came from files."""
    resend_choice: str = ""
    """Which messages of the earlier campaign were chosen, in words; empty if this campaign came from files."""
    lane_campaigns: list[CampaignId] = []
    """The campaigns in which the lanes of the sender hold the messages, including this campaign; the id of the first is
    the id that people see. Empty if the sender has no lanes."""

    @property
    def chain(self) -> tuple[str, ...]:
        """All providers of the campaign, by priority."""
        return (self.provider, *self.fallbacks)


class BatchRef(msgspec.Struct, frozen=True):
    """The identity of one batch. A Celery message carries a BatchRef and nothing else."""

    sender: SenderId
    campaign: CampaignId
    number: int


class Recipients(msgspec.Struct, frozen=True, array_like=True):
    """The recipients of one batch, as columns; entry *i* of every column belongs to message ``first + i``."""

    first: int
    """Index, within the campaign, of the batch's first message."""
    to: list[str]
    """E.164 digits without the plus: ``919876543210``."""
    lines: list[int]
    """Each message's line (or row) in the recipients file, from 1, counting the heading."""
    slots: list[list[str]]
    """One column for each slot of the text, in order."""
    parts: list[int]
    """Number of SMS parts of each rendered text."""
    custom: dict[str, list[str]] = {}
    """Values of the provider's own placeholders that come from a column, by name without the ``$$``."""
    link_values: list[list[str]] = []
    """One column for each value of the row that the targets of tracked links need."""


class WaitsFor(StrEnum):
    """The thing for which a running campaign waits before it sends."""

    NOTHING = "nothing"
    START = "start"
    """Its ``start_at``."""
    HOURS = "hours"
    """Its send window to open."""
    REPORTS = "reports"
    """All messages are sent, and reports, or the time of second tries, decide whether some are sent again."""
    SENDER = "sender"
    """Its sender, which is paused, has used up its parts of the day, or can use no provider of the chain."""


class CampaignView(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a campaign at one moment, read in one atomic step."""

    id: CampaignId
    state: CampaignState
    reason: str
    """Why the campaign is stopped, or why it waits for its time, its sender or its first provider; else empty."""
    plan: Plan
    total: int
    batches: int
    counts: dict[MessageState, int]
    codes: dict[str, int]
    """Number of messages by origin and code: ``push:2054`` (the provider's response to a push), ``report:901`` (a
    failed report), ``suppressed:31`` (see ``Suppression``)."""
    parts: int
    """Number of SMS parts of the messages that the provider accepted."""
    stats: dict[str, int]
    """Counters beside the states: ``clicked``, ``replied``, ``part_disagreements``, ``reports``…"""
    created_ms: int
    sealed_ms: int
    first_sent_ms: int
    last_sent_ms: int
    finished_ms: int
    unopened_state: MessageState = MessageState.PENDING
    """The state of the messages in batches without records whose number is below ``unopened_before``."""
    unopened_before: int = 0
    waits_for: WaitsFor = WaitsFor.NOTHING
    retries_waiting: int = 0
    """Failed messages that wait for a second try."""
    resends: list[CampaignId] = []
    """The campaigns that send messages of this campaign once more, the oldest first."""
    lanes: list["CampaignView"] = []
    """The lanes of the campaign, if its sender has lanes and this view is about all lanes; else empty."""

    def state_without_records(self, batch: int) -> MessageState:
        """Return the state of all messages of a batch that has no records, because no worker ever took it."""
        return self.unopened_state if batch < self.unopened_before else MessageState.PENDING

    @property
    def unsent(self) -> int:
        """Messages that are pending or being sent."""
        return sum(self.counts[state] for state in UNSENT)

    @property
    def done(self) -> int:
        """Messages that will not be sent any more."""
        return self.total - self.unsent

    @property
    def counters_add_up(self) -> bool:
        """Whether the counters of messages in all states add up to the total."""
        return self.total == sum(self.counts.values())
