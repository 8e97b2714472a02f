"""``[retry_failed]`` of settings and campaign files: which failed messages are sent again, when, and how often."""

from typing import Annotated

from pydantic import AfterValidator, Field

from times_dispatch.ledger.model import RetryRule
from times_dispatch.settings.durations import check_duration, parse_seconds
from times_dispatch.settings.strict_table import StrictTable


class RetrySettings(StrictTable):
    """The rule for second tries. Without codes, or with ``at_most = 0``, no message is sent again."""

    codes: list[Annotated[str, Field(pattern="^[0-9]{1,5}$")]] = Field(default_factory=list, max_length=100)
    """Codes of failed delivery reports after which a message is sent again."""
    after: list[Annotated[str, AfterValidator(check_duration)]] = Field(
        default_factory=lambda: ["15m", "1h", "6h"], min_length=1, max_length=10
    )
    """How long after the failed report the first, second, … try again is made; the last holds for all further tries."""
    at_most: Annotated[int, Field(ge=0, le=10)] | None = None
    """How often a message is sent again. Default: as many times as ``after`` has entries."""

    @property
    def rule(self) -> RetryRule | None:
        """The rule as the ledger takes it; None if no message is sent again."""
        at_most = len(self.after) if self.at_most is None else self.at_most
        if not self.codes or not at_most:
            return None
        return RetryRule(
            codes=sorted({int(code) for code in self.codes}),
            after_s=[parse_seconds(text) for text in self.after][:at_most],
            at_most=at_most,
        )
