"""The limits of a campaign's cost. All limits are counted in SMS parts, even if the file gives a limit as money."""

from collections.abc import Iterator
from decimal import Decimal

from producers.campaign.table import CampaignTable
from times_dispatch.plurals import counted
from times_dispatch.settings.prices import parts_for
from times_dispatch.settings.toml.document import Document
from times_dispatch.settings.values.money import format_rupees


class Budget:
    """The campaign's own limit, and the daily limit of its sender.

    Args:
        table: the fields of the campaign file.
        document: the parsed campaign file, which has the line of each field.
        price: price of one part, in rupees; None if the settings have no price.
        max_parts_per_day: how many parts the sender may send from midnight to midnight in India; 0 is no limit.
    """

    def __init__(
        self, table: CampaignTable, document: Document, *, price: Decimal | None, max_parts_per_day: int
    ) -> None:
        self.price = price
        self.max_parts_per_day = max_parts_per_day
        self.max_parts = table.max_parts or 0
        """Parts that the campaign may use; 0 is no limit."""
        self.max_money = table.max_money
        self.mistakes: list[str] = []
        self._sender = table.sender
        if table.max_money is None:
            return
        if price is None:
            reason = f"needs a price: price_per_part of the sender {table.sender}, or of its category, in the settings"
            self.mistakes.append(document.mistake(("max_money",), reason))
        elif not (parts := parts_for(table.max_money, price)):
            self.mistakes.append(document.mistake(("max_money",), f"buys no part: a part costs {format_rupees(price)}"))
        else:
            self.max_parts = parts

    def cost(self, parts: int) -> Decimal | None:
        """Return the cost of a number of parts, in rupees; None if there is no price."""
        return None if self.price is None else self.price * parts

    def problems(self, parts: int, *, used_today: int = 0) -> Iterator[str]:
        """Name the limits that a campaign exceeds.

        Args:
            parts: how many parts the campaign takes.
            used_today: parts of its daily limit that the sender has used on the day on which the campaign starts.
        """
        if self.max_parts and parts > self.max_parts:
            limit = f"max_money = {format_rupees(self.max_money)}" if self.max_money else "max_parts"
            yield (
                f"the campaign takes {counted(parts, 'part')} and {limit} allows {self.max_parts:,}: "
                "the remaining parts are not sent"
            )
        if self.max_parts_per_day and parts > self.max_parts_per_day - used_today:
            used = f", of which {used_today:,} {'is' if used_today == 1 else 'are'} used today" if used_today else ""
            yield (
                f"the campaign takes {counted(parts, 'part')} and sender {self._sender} may send "
                f"{self.max_parts_per_day:,} a day{used}: the remaining parts wait for the next day"
            )
