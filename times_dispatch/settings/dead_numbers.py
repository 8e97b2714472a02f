"""``[dead_numbers]``: the codes that mean that a number is dead, and how long a dead number gets no message."""

from typing import Annotated

from pydantic import AfterValidator, Field

from times_dispatch.ledger.dead_numbers import DeadNumberRule
from times_dispatch.settings.durations import check_duration, parse_seconds
from times_dispatch.settings.strict_table import StrictTable

_DAY_S = 86_400


def _check_days(text: str) -> str:
    if parse_seconds(check_duration(text)) < _DAY_S:
        raise ValueError(f"must be at least 1d, is {text}")
    return text


class DeadNumberSettings(StrictTable):
    """The rule for dead numbers."""

    codes: list[Annotated[str, Field(pattern="^[0-9]{1,5}$")]] = Field(default_factory=lambda: ["905", "910", "2054"])
    """The codes of failed delivery reports and of rejected pushes after which a number is dead. Without codes no number
    is dead.
    """
    keep: Annotated[str, AfterValidator(_check_days)] = "180d"
    """The time, at least a day, after which a dead number may get messages again."""

    @property
    def rule(self) -> DeadNumberRule:
        """The rule in the form that the ledger needs."""
        return DeadNumberRule(frozenset(map(int, self.codes)), parse_seconds(self.keep) // _DAY_S if self.codes else 0)
