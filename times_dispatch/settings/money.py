"""Amounts of money as people write them: ``Rs 5,000``, ``₹0.125``, ``12.5 paise``; kept as exact rupees."""

import re
from decimal import Decimal

_RUPEES = re.compile(r"(?:Rs\.?|₹|INR)\s*([0-9][0-9,]*(?:\.[0-9]+)?)", re.IGNORECASE)
_PAISE = re.compile(r"([0-9][0-9,]*(?:\.[0-9]+)?)\s*paise", re.IGNORECASE)


def rupees(amount: object) -> Decimal:
    """Read an amount above 0; raise ValueError. A bare number is refused, for nobody knows rupees from paise by it."""
    text = amount.strip() if isinstance(amount, str) else ""
    if found := _RUPEES.fullmatch(text):
        value = Decimal(found[1].replace(",", ""))
    elif found := _PAISE.fullmatch(text):
        value = Decimal(found[1].replace(",", "")) / 100
    else:
        raise ValueError(f'must be an amount in quotes, as in "Rs 0.125" or "12.5 paise", is {amount!r}')
    if not value:
        raise ValueError("must be above 0")
    return value


def parse_optional_rupees(amount: object) -> Decimal | None:
    """Read an amount, or leave it out."""
    return None if amount is None else rupees(amount)


def in_words(amount: Decimal) -> str:
    """Write an amount: ``Rs 1,250.50``."""
    return f"Rs {amount:,.2f}"
