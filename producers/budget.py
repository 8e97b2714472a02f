"""What a campaign may cost: in SMS parts, also where it is given as money."""

from collections.abc import Iterator
from decimal import Decimal

from producers.campaign_table import CampaignTable
from settings.document import Document
from settings.money import in_words
from settings.prices import parts_for


class Budget:
    """The cap in a campaign file; ``price`` is that of a part in rupees, ``per_day`` the parts of its sender's cap."""

    def __init__(self, table: CampaignTable, document: Document, *, price: Decimal | None, per_day: int) -> None:
        self.price = price
        self._sender, self._per_day = table.sender, per_day
        self.money = table.most_money
        self.most_parts = table.most_parts or 0
        """0 is no limit."""
        self.mistakes: list[str] = []
        if table.most_money is None:
            return
        if price is None:
            reason = f"needs a price: price_per_part of the sender {table.sender}, or of its category, in the settings"
            self.mistakes.append(document.mistake(("most_money",), reason))
        elif not (parts := parts_for(table.most_money, price)):
            self.mistakes.append(document.mistake(("most_money",), f"buys no part: one costs {in_words(price)}"))
        else:
            self.most_parts = parts

    def cost(self, parts: int) -> Decimal | None:
        """Return what so many parts cost, in rupees; None if there is no price."""
        return None if self.price is None else self.price * parts

    def problems(self, parts: int) -> Iterator[str]:
        """Say what caps so many parts go beyond."""
        if self.most_parts and parts > self.most_parts:
            given = f"most_money = {in_words(self.money)}" if self.money else "most_parts"
            yield f"it takes {parts:,} parts and {given} allows {self.most_parts:,}: what goes beyond is not sent"
        if self._per_day and parts > self._per_day:
            yield (
                f"it takes {parts:,} parts and sender {self._sender} may send {self._per_day:,} a day: "
                "what goes beyond waits for the next day"
            )
