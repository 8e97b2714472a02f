"""What a campaign may cost: in SMS parts, also where it is given as money."""

from collections.abc import Iterator
from decimal import Decimal

from producers.campaign.table import CampaignTable
from times_dispatch.settings.document import Document
from times_dispatch.settings.money import format_rupees
from times_dispatch.settings.prices import parts_for


class Budget:
    """The cap in a campaign file; ``price`` is that of a part in rupees, ``per_day`` the parts of its sender's cap."""

    def __init__(self, table: CampaignTable, document: Document, *, price: Decimal | None, per_day: int) -> None:
        self.price = price
        self.per_day = per_day
        """SMS parts that the sender may send from midnight to midnight; 0 is no limit."""
        self._sender = table.sender
        self.money = table.max_money
        self.most_parts = table.max_parts or 0
        """0 is no limit."""
        self.mistakes: list[str] = []
        if table.max_money is None:
            return
        if price is None:
            reason = f"needs a price: price_per_part of the sender {table.sender}, or of its category, in the settings"
            self.mistakes.append(document.mistake(("max_money",), reason))
        elif not (parts := parts_for(table.max_money, price)):
            self.mistakes.append(document.mistake(("max_money",), f"buys no part: one costs {format_rupees(price)}"))
        else:
            self.most_parts = parts

    def cost(self, parts: int) -> Decimal | None:
        """Return what so many parts cost, in rupees; None if there is no price."""
        return None if self.price is None else self.price * parts

    def problems(self, parts: int, *, today: int = 0) -> Iterator[str]:
        """Say what caps so many parts go beyond, given those that the sender has used of the day it starts on."""
        if self.most_parts and parts > self.most_parts:
            given = f"max_money = {format_rupees(self.money)}" if self.money else "max_parts"
            yield f"it takes {parts:,} parts and {given} allows {self.most_parts:,}: what goes beyond is not sent"
        if self.per_day and parts > self.per_day - today:
            used = f", of which {today:,} are used today" if today else ""
            yield (
                f"it takes {parts:,} parts and sender {self._sender} may send {self.per_day:,} a day{used}: "
                "what goes beyond waits for the next day"
            )
