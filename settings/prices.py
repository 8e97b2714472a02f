"""What an SMS part costs, and how many of them an amount of money buys."""

from collections.abc import Mapping
from decimal import Decimal

from settings.senders import CategorySettings, Sender
from timesmobile.rules.categories import Category


def price(sender: Sender, category: Category, categories: Mapping[Category, CategorySettings]) -> Decimal | None:
    """Return the price of a part of a sender's messages of a category, in rupees; None if none is configured."""
    rules = categories.get(category)
    return sender.price_per_part or (rules.price_per_part if rules else None)


def parts_for(money: Decimal, price_per_part: Decimal) -> int:
    """Return how many parts an amount buys, whole ones."""
    return int(money // price_per_part)


def most_parts_per_day(sender: Sender, categories: Mapping[Category, CategorySettings]) -> int:
    """Return the parts that a sender may hand to the provider in a day, the smaller of its two caps; 0 is no limit."""
    caps = [sender.most_parts_per_day] if sender.most_parts_per_day else []
    per_part = price(sender, sender.category, categories)
    if sender.most_money_per_day and per_part:
        # A cap that buys nothing still is one: 0 would mean none.
        caps.append(max(1, parts_for(sender.most_money_per_day, per_part)))
    return min(caps, default=0)
