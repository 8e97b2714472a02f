"""The messages, the limits and the state of one campaign."""

from collections import Counter, deque
from collections.abc import Collection
from dataclasses import dataclass, field

from tests.kit.ledger_model.pace import Pace
from times_dispatch.ledger.model import RetryRule
from times_dispatch.ledger.submission import BrakeRule

BatchKey = tuple[str, int]
"""A campaign and the number of one of its batches."""
LAST_OPENING_MS = 900
"""No block is opened in this time before the send window closes."""
MAY_CONTINUE = {"running", "paused", "braked"}


@dataclass
class Message:
    state: str = "p"
    parts: int = 1
    attempt: int = 0
    block: int = 0
    code: int = 0
    answered: bool = False
    """Whether the transaction id is known."""
    sent_ms: int = 0
    """Milliseconds from the campaign's creation to the send time; 0 if the message was never sent."""
    has_failed: bool = False
    """Whether an earlier attempt failed, and the message was therefore sent again."""
    tried_again: set[int] = field(default_factory=set)
    """The attempts that failed and were followed by a second try."""

    def tries(self) -> int:
        """Return how many second tries the message had."""
        return sum(attempt < self.attempt for attempt in self.tried_again)

    def keep_failure(self) -> None:
        """Return to the state failed, because the second try was not sent."""
        self.state, self.attempt = "f", self.attempt - 1


@dataclass
class ModelCampaign:
    size: int
    messages: list[Message]
    policy: str
    """The policy for messages in doubt: give_up or resend."""
    brake: BrakeRule
    chain: tuple[str, ...]
    created_ms: int
    pace: Pace
    """The campaign's own rate."""
    urgent: bool = False
    state: str = "running"
    stopped_us: int = 0
    """When the campaign was last paused or braked."""
    expired: bool = False
    report_wait_ms: int = 72 * 3_600_000
    second: bool = False
    """Whether messages in doubt are being sent again."""
    may_end: bool = True
    """Whether upkeep checks if the campaign is over."""
    max_parts: int = 0
    """0 means no limit."""
    parts_out: int = 0
    is_paced_by_parts: bool = False
    """Whether rates count SMS parts; otherwise rates count messages."""
    send_window: tuple[int, int] | None = None
    """When the send window opens and closes, in epoch milliseconds; None if the campaign sends at any hour."""
    unopened_state: str = ""
    """The state that messages in batches without records got when the campaign ended."""
    cursor: int = 0
    """The number of the first batch that was never issued."""
    waits_until_ms: dict[int, int] = field(default_factory=dict)
    """For batches whose pending messages wait for messages of other campaigns: when the batch may be issued."""
    rule: RetryRule | None = None
    waiting: set[int] = field(default_factory=set)
    """The indexes of failed messages that wait for a second try."""
    reacted: set[int] = field(default_factory=set)
    """The indexes of messages with a reaction; empty for a campaign without a rule."""
    begun: set[int] = field(default_factory=set)
    due: set[int] = field(default_factory=set)
    pushes: deque[bool] = field(default_factory=deque)
    reports: deque[bool] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.reset_brakes()

    def reset_brakes(self) -> None:
        self.pushes = deque(maxlen=self.brake.pushes)
        self.reports = deque(maxlen=self.brake.reports)

    @property
    def batches(self) -> int:
        return -(-len(self.messages) // self.size)

    def batch(self, number: int) -> list[Message]:
        return self.messages[number * self.size : (number + 1) * self.size]

    def cost(self, message: Message) -> int:
        """Return how many units of a rate a message takes."""
        return message.parts if self.is_paced_by_parts else 1

    def turn_group(self) -> str:
        """Return the group of campaigns among which this campaign gets its turns."""
        if self.urgent:
            return "urgent"
        return "own" if self.pace.rate_per_s else "common"

    def counts(self) -> Counter[str]:
        return Counter(message.state for message in self.messages)

    def unsent(self) -> int:
        return sum(message.state in "ps" for message in self.messages)

    def is_in_doubt(self) -> bool:
        return any(message.state == "i" for message in self.messages)

    def is_stopped(self) -> bool:
        return self.state in {"paused", "braked"}

    def is_outside_send_window(self, now_ms: int) -> bool:
        if not self.send_window:
            return False
        opens_ms, closes_ms = self.send_window
        return not opens_ms <= now_ms < closes_ms - LAST_OPENING_MS

    def set_send_window(self, opens_ms: int, closes_ms: int) -> None:
        if self.send_window and self.state in MAY_CONTINUE and closes_ms > self.send_window[1]:
            self.send_window = opens_ms, closes_ms

    def why_closed(self, now_ms: int) -> str:
        """Return the campaign's reason why no message may be opened; empty if the campaign has none."""
        if self.state != "running":
            return self.state
        if self.expired:
            return "expired"
        return "outside_send_window" if self.is_outside_send_window(now_ms) else ""

    def second_try_ms(self, message: Message) -> int:
        """Return when the second try of a failed message is due, counted from the send time in this model."""
        assert self.rule
        after_ms = self.rule.after_s[min(message.tries(), len(self.rule.after_s) - 1)] * 1000
        step_ms = min(60_000, after_ms // 10)
        return -(-(self.created_ms + message.sent_ms + after_ms) // step_ms) * step_ms

    def wants_second_try(self, message: Message) -> bool:
        return bool(
            self.rule
            and message.state == "f"
            and message.code in self.rule.codes
            and self.state in MAY_CONTINUE
            and message.tries() < self.rule.at_most
            and not self.expired
        )

    def forbid_second_tries(self, number: int, indexes: Collection[int]) -> None:
        """Note reactions to messages of a batch: these messages get no second try."""
        first = number * self.size
        reacted = {first + index for index in indexes if index < len(self.batch(number))} if self.rule else set[int]()
        self.reacted |= reacted
        self.waiting -= reacted

    def begin_second_try(self, index: int) -> None:
        """Make a failed message pending with its next attempt."""
        message = self.messages[index]
        message.tried_again.add(message.attempt)
        message.state, message.attempt, message.has_failed = "p", message.attempt + 1, True
        self.waiting.discard(index)

    def may_send_again(self) -> bool:
        """Return whether second tries are possible: a message waits for one, or an open message could still fail."""
        is_open = any(message.state in "ai" for message in self.messages)
        return bool(self.rule and not self.expired and (self.waiting or is_open))

    def finish_if_done(self) -> None:
        if self.may_send_again():
            return
        if (self.state == "running" or (self.is_stopped() and not self.is_in_doubt())) and not self.unsent():
            self.state = "finished"

    def stop(self, state: str, now_us: int) -> None:
        self.state, self.stopped_us = state, now_us

    def brake_now(self, now_us: int) -> None:
        if self.state == "running":
            self.stop("braked", now_us)

    def brake_if(self, last: deque[bool], share: float, now_us: int) -> None:
        if last.maxlen and len(last) == last.maxlen and sum(last) > share * last.maxlen:
            self.brake_now(now_us)
