"""The campaigns and messages of the reference model of the ledger (``ledger_model``)."""

from collections import Counter, deque
from dataclasses import dataclass, field

from times_dispatch.ledger.submission import BrakeRule

BatchKey = tuple[str, int]
"""A campaign and the number of one of its batches."""
NEXT_STATES = {
    "pause": {"running": "paused", "braked": "paused"},
    "resume": {"paused": "running", "braked": "running"},
    "cancel": dict.fromkeys(("running", "paused", "braked"), "cancelled"),
    "brake": {"running": "braked"},
}
NOT_ACCEPTED = "psigruex"
"""States in which a provider is not known to have accepted the message."""
NOT_HANDED_OVER = "ruex"
"""States in which the parts of a message do not count as handed to a provider."""


@dataclass
class Message:
    state: str = "p"
    attempt: int = 0
    block: int = 0
    code: int = 0
    answered: bool = False
    """Whether the transaction id is known."""


@dataclass
class IssuedBatch:
    """A batch that was issued; its token is 0 until a worker takes the batch."""

    token: int = 0
    blocks: int = 0


@dataclass
class ModelCampaign:
    size: int
    messages: list[Message]
    policy: str
    brake: BrakeRule
    state: str = "running"
    expired: bool = False
    overdue: bool = False
    """Whether every report is overdue."""
    second: bool = False
    """Whether messages in doubt are being sent again."""
    may_end: bool = True
    """Whether upkeep checks if the campaign is over."""
    max_parts: int = 0
    """0 means no limit; every message has one part."""
    parts_out: int = 0
    shut: bool = False
    """Whether the time is outside the daily send window."""
    unopened_state: str = ""
    """What the messages became that were in batches without records when the campaign ended."""
    cursor: int = 0
    redo: list[int] = field(default_factory=list)
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

    def counts(self) -> Counter[str]:
        return Counter(message.state for message in self.messages)

    def unsent(self) -> int:
        return sum(message.state in "ps" for message in self.messages)

    def is_spent(self) -> bool:
        return 0 < self.max_parts <= self.parts_out

    def is_in_doubt(self) -> bool:
        return any(message.state == "i" for message in self.messages)

    def is_stopped(self) -> bool:
        return self.state in {"paused", "braked"}

    def finish_if_done(self) -> None:
        if (self.state == "running" or (self.is_stopped() and not self.is_in_doubt())) and not self.unsent():
            self.state = "finished"

    def brake_if(self, last: deque[bool], share: float) -> None:
        if last.maxlen and len(last) == last.maxlen and sum(last) > share * last.maxlen and self.state == "running":
            self.state = "braked"


def state_after_report(message: Message, attempt: int, kind: str) -> str:
    """Return the state that a report gives to a message; empty if it changes nothing."""
    can_change = message.state in NOT_ACCEPTED and (message.state != "r" or attempt > message.attempt)
    match kind:
        case "delivered":
            return "d" if message.state != "d" else ""
        case "failed":
            return "f" if can_change or message.state in "an" else ""
        case _:
            return "a" if can_change else ""
