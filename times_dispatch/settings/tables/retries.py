"""``[retry_failed]`` of settings and campaign files: the failed messages that are sent again, when, and how often."""

from typing import Annotated

from pydantic import AfterValidator, Field

from times_dispatch.ledger.model import RetryRule
from times_dispatch.settings.toml.strict_table import StrictTable
from times_dispatch.settings.values.durations import check_duration, parse_seconds


class RetrySettings(StrictTable):
    """The rule for second tries. Without codes, or with ``at_most = 0``, no message is sent again."""

    codes: list[Annotated[str, Field(pattern="^[0-9]{1,5}$")]] = Field(default_factory=list, max_length=100)
    """The codes of failed delivery reports after which a message is sent again."""
    after: list[Annotated[str, AfterValidator(check_duration)]] = Field(
        default_factory=lambda: ["15m", "1h", "6h"], min_length=1, max_length=10
    )
    """The waits between a failed report and the first, second, … new try; the last entry applies to all further
    tries.
    """
    at_most: Annotated[int, Field(ge=0, le=10)] | None = None
    """How often a message is sent again; by default, the number of entries of ``after``."""

    @property
    def rule(self) -> RetryRule | None:
        """The rule in the form that the ledger needs; None if no message is sent again."""
        at_most = len(self.after) if self.at_most is None else self.at_most
        if not self.codes or not at_most:
            return None
        return RetryRule(
            codes=sorted({int(code) for code in self.codes}),
            after_s=[parse_seconds(text) for text in self.after][:at_most],
            at_most=at_most,
        )
