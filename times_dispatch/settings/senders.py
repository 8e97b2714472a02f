"""``[senders.HEADER]`` and ``[categories.NAME]``: who sends, how fast, when, at what price, how often to one number."""

import re
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, FiniteFloat

from times_dispatch.ledger.model import CostUnit
from times_dispatch.provider.description.provider import MAX_PROVIDERS_PER_SENDER
from times_dispatch.settings.durations import seconds
from times_dispatch.settings.money import optional_rupees
from times_dispatch.settings.rates import rate
from times_dispatch.settings.strict_table import StrictTable
from times_dispatch.sms.rules import callback_numbers, ids, links
from times_dispatch.sms.rules.categories import Category
from times_dispatch.sms.rules.window import HOME, Window, check_zone

_FREQUENCY = re.compile(r"([0-9]{1,6}) in (\S+)")


def _entity_id(digits: str) -> str:
    if digits and (problem := ids.entity_problem(digits)):
        raise ValueError(problem)
    return digits


def _chain(value: object) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise ValueError("must be a nickname in quotes, or an array of them")
    if not 1 <= len(names) <= MAX_PROVIDERS_PER_SENDER:
        raise ValueError(f"must name 1 to {MAX_PROVIDERS_PER_SENDER} providers, names {len(names)}")
    if len(set(names)) < len(names):
        raise ValueError("names a provider twice")
    return tuple(names)


def _window(text: str) -> str:
    Window.parse(text)
    return text


def _link(entry: str) -> str:
    if problem := links.entry_problem(entry):
        raise ValueError(problem)
    return entry


def _callback_number(entry: str) -> str:
    if problem := callback_numbers.entry_problem(entry):
        raise ValueError(problem)
    return entry


def _frequency(text: str) -> str:
    if text:
        most, period_s = _parsed(text)
        if not most or not period_s:
            raise ValueError(f'must be a number and a time as in "3 in 24h", is {text!r}')
    return text


def _parsed(frequency: str) -> tuple[int, int]:
    found = _FREQUENCY.fullmatch(frequency)
    return (int(found[1]), seconds(found[2])) if found else (0, 0)


def _pause(text: str) -> str:
    seconds(text, least=0)
    return text


WindowText = Annotated[str, AfterValidator(_window)]
Zone = Annotated[str, AfterValidator(check_zone)]
Price = Annotated[Decimal | None, BeforeValidator(optional_rupees)]
Links = list[Annotated[str, AfterValidator(_link)]]
CallbackNumbers = list[Annotated[str, AfterValidator(_callback_number)]]
Parts = Annotated[int, Field(ge=0)]


class CategorySettings(StrictTable):
    """``[categories.NAME]``: what holds for all messages of a category."""

    window: WindowText | None = None
    """The hours of the day in which they go; left out, 10:00-21:00 for promotional, any time for the others."""
    zone: Zone = HOME
    """Of the window, by name."""
    price_per_part: Price = None
    """What the provider takes for one SMS part."""


class Sender(StrictTable):
    """``[senders.HEADER]``: a header as registered, case and all (docs/domain.md section 5)."""

    chain: Annotated[tuple[str, ...], BeforeValidator(_chain)] = Field(default=(), alias="provider")
    """Nicknames by priority, one as a text or several as an array; left out, the default provider's (filled in when
    loaded)."""
    category: Category
    entity_id: Annotated[str, AfterValidator(_entity_id)] = ""
    """The principal entity id: 12 to 19 digits."""
    rate_per_s: Annotated[FiniteFloat, AfterValidator(rate)] = 0.0
    """Messages (or parts, see ``cost``) per second over all its campaigns and all workers; 0 is no limit."""
    cost: CostUnit = "messages"
    templates: list[str] = Field(default_factory=list)
    """The only ones that it may send; left out, all that are registered for it."""
    links: Links = Field(default_factory=list)
    """Whitelisted for all its templates, see ``times_dispatch.sms.rules.links``."""
    callback_numbers: CallbackNumbers = Field(default_factory=list)
    """Whitelisted for all its templates."""
    window: WindowText | None = None
    """Narrows the hours of its category, in that one's zone."""
    price_per_part: Price = None
    """Goes before that of its category."""
    most_parts_per_day: Parts = 0
    """SMS parts that all its campaigns together may hand to the provider, from midnight to midnight in Asia/Kolkata."""
    most_money_per_day: Price = None
    """The same as money, at the dearest price among its own category and its templates'; each needs a price."""
    frequency: Annotated[str, AfterValidator(_frequency)] = Field(default="", alias="most_per_number")
    """Messages that one number may get in so long a time, from all its campaigns: ``3 in 24h``."""
    repeat_after: Annotated[str, AfterValidator(_pause)] = "30m"
    """The same text goes to the same number again only after so long; ``0m`` is at once. Gateways drop it before 30
    minutes are over."""

    @property
    def provider(self) -> str:
        """The provider that it goes through as long as that can be reached."""
        return self.chain[0] if self.chain else ""

    @property
    def fallbacks(self) -> tuple[str, ...]:
        """Those to turn to otherwise, in this order."""
        return self.chain[1:]

    @property
    def urgent(self) -> bool:
        """Say whether its campaigns go before bulk."""
        return self.category == "transactional"

    def may_send(self, template: str) -> bool:
        """Say whether a template that is registered for it is among those that it is allowed."""
        return not self.templates or template in self.templates

    @property
    def most_per_number(self) -> int:
        """Messages that one number may get within ``per_s``; 0 is no limit."""
        return _parsed(self.frequency)[0]

    @property
    def per_s(self) -> int:
        """The period of ``most_per_number``."""
        return _parsed(self.frequency)[1]

    @property
    def repeat_after_s(self) -> int:
        """Seconds before the same text may go to the same number again."""
        return seconds(self.repeat_after, least=0)
