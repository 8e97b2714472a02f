"""What an SMS part costs, and how many of them an amount of money buys."""

from collections.abc import Mapping
from decimal import Decimal

from times_dispatch.settings.model import Settings
from times_dispatch.settings.senders import CategorySettings, Sender
from times_dispatch.settings.templates import TemplateSettings
from times_dispatch.sms.rules.categories import Category, effective


def price(sender: Sender, category: Category, categories: Mapping[Category, CategorySettings]) -> Decimal | None:
    """Return the price of a part of a sender's messages of a category, in rupees; None if none is configured."""
    rules = categories.get(category)
    return sender.price_per_part or (rules.price_per_part if rules else None)


def parts_for(money: Decimal, price_per_part: Decimal) -> int:
    """Return how many parts an amount buys, whole ones."""
    return int(money // price_per_part)


def categories_of(header: str, sender: Sender, templates: Mapping[str, TemplateSettings]) -> set[Category]:
    """Return what a sender's messages may go as: its own category, and that of every template that it may send."""
    allowed = [item for name, item in templates.items() if header in item.headers and sender.may_send(name)]
    return {sender.category, *(effective(sender.category, item.category) for item in allowed)}


def max_parts_per_day(header: str, settings: Settings) -> int:
    """Return the parts that a sender may hand to the provider in a day, the smaller of its two caps; 0 is no limit.

    Money is counted at the dearest price among its messages: the ledger counts parts, whatever their campaign.
    """
    sender = settings.senders[header]
    caps = [sender.max_parts_per_day] if sender.max_parts_per_day else []
    kinds = categories_of(header, sender, settings.templates)
    prices = [per_part for kind in kinds if (per_part := price(sender, kind, settings.categories))]
    if sender.max_money_per_day and prices:
        # A cap that buys nothing still is one: 0 would mean none.
        caps.append(max(1, parts_for(sender.max_money_per_day, max(prices))))
    return min(caps, default=0)
