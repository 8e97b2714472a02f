"""A broken invariant: which, and in words when and why."""

from enum import StrEnum


class Invariant(StrEnum):
    """The promises that the simulation checks after each step."""

    COUNTERS = "counters"
    """The counters of a campaign are what its records say, and add up to its total."""
    TWICE = "twice"
    """No message is accepted more often than the policy, a rule or a person allowed, and no id twice."""
    FENCE = "fence"
    """No two workers have one message in hand at a time."""
    PAUSE = "pause"
    """No push starts later than a second after a pause, a cancel or an opt-out."""
    PACE = "pace"
    """No second holds more pushes than the rate allows."""
    LIMIT = "limit"
    """Budgets, caps of a day and the time between two equal texts hold."""
    REACHABLE = "reachable"
    """Something will hand out every pending message, in a held campaign after its resume."""
    STUCK = "stuck"
    """While nothing is wrong, what may run makes progress."""
    UNFAIR = "unfair"
    """While nothing is wrong, a new campaign begins soon, whatever else its sender has to do."""
    BRAKED = "braked"
    """No campaign is braked for reasons of our own."""
    EARLY = "early"
    """No message expires, is given up or counted as unreported, and no lease of a live worker ends, before its time."""
    EVIDENCE = "evidence"
    """A report that was answered counts: for the record, and before anything is sent again."""
    FULL = "full"
    """A full server refuses no pause."""
    COST = "cost"
    """What opening a block costs does not grow with the number of campaigns."""
    UNFINISHED = "unfinished"
    """When everything is whole again, everything comes to its end."""
    ERROR = "error"
    """No process ends by an error."""


class Violation(AssertionError):
    """An invariant does not hold."""

    def __init__(self, kind: Invariant, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind
