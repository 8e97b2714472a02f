"""What a campaign, a batch and a message are: the values that travel between the rooms of the house."""

from typing import Literal, NewType

import msgspec

from times_dispatch.ledger.states import UNSENT, CampaignState, MessageState

SenderId = NewType("SenderId", str)
"""A sender's header, as registered: ``TIMESM``. It is also the hash tag of all its keys."""

CampaignId = NewType("CampaignId", str)
"""Eight characters of ``[0-9a-z]``; the first part of every correlation id of the campaign."""

InDoubtPolicy = Literal["give_up", "resend"]
MissedStart = Literal["send", "skip", "ask"]
"""What happens to a campaign whose start came while nobody was there: sent late, cancelled, or paused until resumed."""
CostUnit = Literal["messages", "parts"]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All that workers need to know of a campaign, frozen at submit: later changes of the settings do not touch it."""

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
    """A limit of the campaign's own, below its sender's; 0 is none."""
    cost_unit: CostUnit = "messages"
    in_doubt: InDoubtPolicy = "give_up"
    start_at_ms: int = 0
    """Epoch milliseconds before which nothing is sent; 0 is at once."""
    valid_until_ms: int
    """Epoch milliseconds after which pending messages expire and the in-doubt policy decides."""
    report_wait_s: int = 72 * 3600
    """After so long without a report an accepted message has the state ``no_report`` (docs/domain.md section 3)."""
    urgent: bool = False
    """Goes through the queue that workers empty first."""
    missed_start: MissedStart = "send"
    send_from_min: int = 0
    """The daily send window, in minutes after midnight of ``zone``: from here …"""
    send_until_min: int = 0
    """… to here, not included; both 0 is any time."""
    zone: str = "Asia/Kolkata"
    most_parts: int = 0
    """SMS parts that the campaign may hand to the provider; 0 is no limit."""
    fallbacks: list[str] = []
    """Providers to turn to, in this order, while ``provider`` is braked or unreachable."""
    custom: dict[str, str] = {}
    """Values of the provider's own placeholders, by name without the ``$$``."""

    @property
    def chain(self) -> tuple[str, ...]:
        """All providers by priority."""
        return (self.provider, *self.fallbacks)


class BatchRef(msgspec.Struct, frozen=True):
    """Names one batch. This, and nothing else, is what a Celery message carries."""

    sender: SenderId
    campaign: CampaignId
    number: int


class Recipients(msgspec.Struct, frozen=True, array_like=True):
    """A batch's recipients by column; entry *i* of every column belongs to message ``first + i``."""

    first: int
    """Index in the campaign of the batch's first message."""
    to: list[str]
    """E.164 digits without the plus: ``919876543210``."""
    lines: list[int]
    """The line (or row) of the recipients file, from 1, counting the heading."""
    slots: list[list[str]]
    """One column for each slot of the text, in order."""
    parts: list[int]
    """SMS parts of each rendered text."""
    custom: dict[str, list[str]] = {}
    """Values of the provider's own placeholders that come from a column, by name without the ``$$``."""


class CampaignView(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign as it stands at one moment, read in one go."""

    id: CampaignId
    state: CampaignState
    reason: str
    """Why it is paused or braked, or what holds its sender or its first provider back; empty if nothing does."""
    plan: Plan
    total: int
    batches: int
    counts: dict[MessageState, int]
    codes: dict[str, int]
    """By origin and code: ``push:2054`` (answered by the provider), ``report:901`` (reported later), ``suppressed:31``
    (held back, see ``times_dispatch.ledger.states``)."""
    parts: int
    """SMS parts of the messages that the provider accepted."""
    stats: dict[str, int]
    """Counters beside the states: ``clicked``, ``replied``, ``part_disagreements``, ``reports``…"""
    created_ms: int
    sealed_ms: int
    first_let_go_ms: int
    last_let_go_ms: int
    finished_ms: int

    @property
    def unsent(self) -> int:
        """Messages that are pending or being sent."""
        return sum(self.counts[state] for state in UNSENT)

    @property
    def done(self) -> int:
        """Messages that need no more sending."""
        return self.total - self.unsent

    @property
    def identity_holds(self) -> bool:
        """Say whether the total equals the sum over all states."""
        return self.total == sum(self.counts.values())
