"""Amounts of money: parses ``Rs 5,000``, ``₹0.125`` or ``12.5 paise`` into exact rupees, and formats rupees."""

import re
from decimal import Decimal

_RUPEES = re.compile(r"(?:Rs\.?|₹|INR)\s*([0-9][0-9,]*(?:\.[0-9]+)?)", re.IGNORECASE)
_PAISE = re.compile(r"([0-9][0-9,]*(?:\.[0-9]+)?)\s*paise", re.IGNORECASE)


def parse_rupees(amount: object) -> Decimal:
    """Return an amount in rupees; raise ``ValueError`` if the amount is not above 0 or has no unit.

    A number without a unit is refused because it could be rupees or paise.
    """
    text = amount.strip() if isinstance(amount, str) else ""
    if match := _RUPEES.fullmatch(text):
        value = Decimal(match[1].replace(",", ""))
    elif match := _PAISE.fullmatch(text):
        value = Decimal(match[1].replace(",", "")) / 100
    else:
        raise ValueError(f'must be an amount in quotes, as in "Rs 0.125" or "12.5 paise", is {amount!r}')
    if not value:
        raise ValueError("must be above 0")
    return value


def parse_optional_rupees(amount: object) -> Decimal | None:
    """Return an amount like ``parse_rupees``, and None for None."""
    return None if amount is None else parse_rupees(amount)


def format_rupees(amount: Decimal) -> str:
    """Return an amount of rupees as a text, such as ``Rs 1,250.50``."""
    return f"Rs {amount:,.2f}"
