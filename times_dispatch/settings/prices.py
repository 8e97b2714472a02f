"""The price of an SMS part, and the number of parts that an amount of money buys."""

from collections.abc import Mapping
from decimal import Decimal

from times_dispatch.settings.model import Settings
from times_dispatch.settings.tables.senders import CategorySettings, SenderSettings
from times_dispatch.settings.tables.templates import TemplateSettings
from times_dispatch.sms.rules.categories import Category, effective_category


def price(
    sender: SenderSettings, category: Category, categories: Mapping[Category, CategorySettings]
) -> Decimal | None:
    """Return the price in rupees of one part of a sender's messages of a category; None if there is no price."""
    category_settings = categories.get(category)
    return sender.price_per_part or (category_settings.price_per_part if category_settings else None)


def parts_for(money: Decimal, price_per_part: Decimal) -> int:
    """Return the number of whole parts that an amount of money pays for."""
    return int(money // price_per_part)


def categories_of(header: str, sender: SenderSettings, templates: Mapping[str, TemplateSettings]) -> set[Category]:
    """Return the categories of all the templates that a sender may use."""
    allowed = [template for name, template in templates.items() if header in template.headers and sender.may_send(name)]
    return {sender.category, *(effective_category(sender.category, template.category) for template in allowed)}


def max_parts_per_day(header: str, settings: Settings) -> int:
    """Return how many parts a sender may push in a day, by the smaller of its two caps; 0 is no limit.

    The cap in money is converted at the highest price among the sender's messages, because the ledger counts the parts
    of all campaigns of the sender together.
    """
    sender = settings.senders[header]
    caps = [sender.max_parts_per_day] if sender.max_parts_per_day else []
    categories = categories_of(header, sender, settings.templates)
    prices = [per_part for category in categories if (per_part := price(sender, category, settings.categories))]
    if sender.max_money_per_day and prices:
        # A cap below the price of one part is still a cap, and 0 would mean no limit.
        caps.append(max(1, parts_for(sender.max_money_per_day, max(prices))))
    return min(caps, default=0)
