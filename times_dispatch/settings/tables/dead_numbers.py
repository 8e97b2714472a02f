"""``[dead_numbers]``: the codes that mean that a number is dead, and how long a dead number gets no message."""

from typing import Annotated

from pydantic import AfterValidator, Field

from times_dispatch.ledger.numbers.dead_numbers import DeadNumberRule
from times_dispatch.settings.dead_number_rule import CODE_FORM, DEFAULT_CODES, DEFAULT_KEEP, check_days, rule_of
from times_dispatch.settings.toml.strict_table import StrictTable


class DeadNumberSettings(StrictTable):
    """The rule for dead numbers."""

    codes: list[Annotated[str, Field(pattern=CODE_FORM)]] = Field(default_factory=lambda: [*DEFAULT_CODES])
    """The codes of failed delivery reports and of rejected pushes after which a number is dead. Without codes no number
    is dead.
    """
    keep: Annotated[str, AfterValidator(check_days)] = DEFAULT_KEEP
    """The time, at least a day, after which a dead number may get messages again."""

    @property
    def rule(self) -> DeadNumberRule:
        """The rule in the form that the ledger needs."""
        return rule_of(self.codes, self.keep)
