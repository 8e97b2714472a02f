"""The invariants, and the error that a broken invariant raises."""

from enum import StrEnum


class Invariant(StrEnum):
    """The promises that the simulation checks after each step."""

    COUNTERS = "counters"
    """The counters of a campaign equal the sums over its records, and add up to the campaign's total."""
    TWICE = "twice"
    """No id is accepted twice, and no message more often than the policy, a rule or a person allowed."""
    FENCE = "fence"
    """No two workers push one message at the same time."""
    PAUSE = "pause"
    """No push starts later than a second after a pause, a cancel or an opt-out."""
    PACE = "pace"
    """No second holds more pushes than the rate allows."""
    LIMIT = "limit"
    """Budgets, daily caps and the minimum time between two equal texts hold."""
    REACHABLE = "reachable"
    """Every pending message will be issued; in a stopped campaign, after its resume."""
    STUCK = "stuck"
    """While no fault is in force, every campaign that may run makes progress."""
    UNFAIR = "unfair"
    """While no fault is in force, a new campaign begins soon, even if its sender has other work."""
    BRAKED = "braked"
    """No campaign is braked because of an error of the dispatcher."""
    EARLY = "early"
    """No message expires, is given up or counted as unreported, and no lease of a live worker ends, before its time."""
    EVIDENCE = "evidence"
    """A report that was answered with 200 is applied to the record, and before the message is sent again."""
    FULL = "full"
    """A full server refuses no pause."""
    COST = "cost"
    """The cost of opening a block does not grow with the number of campaigns."""
    UNFINISHED = "unfinished"
    """After the last fault, every campaign ends."""
    ERROR = "error"
    """No process ends with an error."""


class Violation(AssertionError):
    """An invariant is broken; the message says when and why."""

    def __init__(self, kind: Invariant, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind
