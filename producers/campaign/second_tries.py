"""The rule for second tries of a campaign, from the campaign file or else from the settings."""

from collections.abc import Iterator
from datetime import timedelta

from producers.campaign.schedule import Times
from producers.campaign.table import CampaignTable
from times_dispatch.settings.model import Settings
from times_dispatch.settings.toml.document import Document
from times_dispatch.settings.values.durations import format_duration


class SecondTries:
    """The rule for second tries, with its mistakes.

    Args:
        table: the fields of the campaign file.
        settings: the settings, whose rule holds for campaigns without a rule of their own.
        document: the campaign file, which knows the line of each field.
    """

    def __init__(self, table: CampaignTable, settings: Settings, document: Document) -> None:
        own = table.retry_failed
        self.rule = (settings.retry_failed if own is None else own).rule
        """The rule; None if no failed message is sent again."""
        self.of_settings = None if own else self.rule
        """The rule, if it comes from the settings; None if the campaign file has a rule of its own."""
        self.mistakes: list[str] = []
        self._dead_codes = settings.dead_numbers.rule.codes
        self._repeat_after_s = settings.senders[table.sender].repeat_after_s
        if own and not own.codes and own.at_most != 0:
            reason = "needs codes of failed reports; at_most = 0 turns the rule of the settings off"
            self.mistakes.append(document.mistake(("retry_failed",), reason))

    def warnings(self, times: Times) -> Iterator[str]:
        """Return warnings about parts of the rule that have no effect, or an unexpected effect."""
        if not self.rule:
            return
        if dead := self._dead_codes.intersection(self.rule.codes):
            codes = ", ".join(map(str, sorted(dead)))
            yield f"retry_failed names code {codes}, after which a number counts as dead and gets no second try"
        first_s = self.rule.after_s[0]
        if first_s < self._repeat_after_s:
            yield (
                f"retry_failed sends the same text again after {format_duration(first_s)}: gateways may drop a "
                f"repetition within {format_duration(self._repeat_after_s)} (repeat_after of the sender)"
            )
        if times.ends - times.opens <= timedelta(seconds=first_s):
            yield f"retry_failed has no effect: the validity ends within {format_duration(first_s)}"
