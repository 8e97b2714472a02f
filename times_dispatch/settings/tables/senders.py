"""``[senders.HEADER]`` and ``[categories.NAME]``: rates, hours, prices, caps and whitelists of senders."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field, FiniteFloat

from times_dispatch.ledger.lanes.names import MAX_LANES
from times_dispatch.ledger.model import CostUnit
from times_dispatch.provider.description.provider import MAX_PROVIDERS_PER_SENDER
from times_dispatch.settings.toml.strict_table import StrictTable
from times_dispatch.settings.values.durations import parse_seconds
from times_dispatch.settings.values.money import parse_optional_rupees
from times_dispatch.settings.values.rates import check_rate
from times_dispatch.sms.rules import dlt_ids, links, number_whitelist
from times_dispatch.sms.rules.categories import Category
from times_dispatch.sms.rules.send_window import INDIA_ZONE, SendWindow, check_zone

_FREQUENCY_CAP = re.compile(r"([0-9]{1,6}) in (\S+)")


def _check_entity_id(digits: str) -> str:
    if digits and (problem := dlt_ids.entity_problem(digits)):
        raise ValueError(problem)
    return digits


def _parse_chain(value: object) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise ValueError("must be a nickname in quotes, or an array of them")
    if not 1 <= len(names) <= MAX_PROVIDERS_PER_SENDER:
        raise ValueError(f"must name 1 to {MAX_PROVIDERS_PER_SENDER} providers, names {len(names)}")
    if len(set(names)) < len(names):
        raise ValueError("names a provider twice")
    return tuple(names)


def _check_window(text: str) -> str:
    SendWindow.parse(text)
    return text


def _check_link(entry: str) -> str:
    if problem := links.entry_problem(entry):
        raise ValueError(problem)
    return entry


def _check_callback_number(entry: str) -> str:
    if problem := number_whitelist.entry_problem(entry):
        raise ValueError(problem)
    return entry


def _check_frequency_cap(text: str) -> str:
    if text:
        max_messages, period_s = _parse_frequency_cap(text)
        if not max_messages or not period_s:
            raise ValueError(f'must be a number and a time as in "3 in 24h", is {text!r}')
    return text


def _parse_frequency_cap(text: str) -> tuple[int, int]:
    match = _FREQUENCY_CAP.fullmatch(text)
    return (int(match[1]), parse_seconds(match[2])) if match else (0, 0)


def _check_repeat_after(text: str) -> str:
    parse_seconds(text, min_s=0)
    return text


WindowText = Annotated[str, AfterValidator(_check_window)]
Zone = Annotated[str, AfterValidator(check_zone)]
Price = Annotated[Decimal | None, BeforeValidator(parse_optional_rupees)]
Links = list[Annotated[str, AfterValidator(_check_link)]]
CallbackNumbers = list[Annotated[str, AfterValidator(_check_callback_number)]]
Parts = Annotated[int, Field(ge=0)]


class CategorySettings(StrictTable):
    """``[categories.NAME]``: the settings of all messages of a category."""

    window: WindowText | None = None
    """The hours of the day in which messages may be sent; by default 10:00-21:00 for promotional, otherwise any
    time.
    """
    zone: Zone = INDIA_ZONE
    """The time zone of the window, such as ``Asia/Kolkata``."""
    price_per_part: Price = None
    """The provider's price for one SMS part."""


class SenderSettings(StrictTable):
    """``[senders.HEADER]``: a header in its registered form, including case (docs/domain.md section 5)."""

    RENAMED: ClassVar[Mapping[str, str]] = {
        "most_parts_per_day": "max_parts_per_day",
        "most_money_per_day": "max_money_per_day",
        "most_per_number": "max_per_number",
    }

    chain: Annotated[tuple[str, ...], BeforeValidator(_parse_chain)] = Field(default=(), alias="provider")
    """The nicknames of the sender's providers by priority: one nickname as a text, or several as an array. By default,
    the loader sets the default provider.
    """
    category: Category
    entity_id: Annotated[str, AfterValidator(_check_entity_id)] = ""
    """The principal entity id: 12 to 19 digits."""
    rate_per_s: Annotated[FiniteFloat, AfterValidator(check_rate)] = 0.0
    """The messages (with ``cost = "parts"``, the parts) per second of all campaigns and workers; 0 is no limit."""
    cost: CostUnit = "messages"
    lanes: Annotated[int, Field(ge=1, le=MAX_LANES)] = 1
    """The number of lanes over which the sender's work is spread, each with a share of the rate (docs/cluster.md)."""
    templates: list[str] = Field(default_factory=list)
    """The templates that the sender may use; by default, all templates that are registered for the sender."""
    links: Links = Field(default_factory=list)
    """The whitelisted links of all templates of the sender, see ``times_dispatch.sms.rules.links``."""
    callback_numbers: CallbackNumbers = Field(default_factory=list)
    """The whitelisted phone numbers of all templates of the sender."""
    window: WindowText | None = None
    """The hours of the sender, within the hours of the category, in the time zone of the category."""
    price_per_part: Price = None
    """The price of an SMS part, which overrides the price of the category."""
    max_parts_per_day: Parts = 0
    """The SMS parts that all campaigns of the sender together may push in a day of Asia/Kolkata; 0 is no limit."""
    max_money_per_day: Price = None
    """The daily cap as money, at the highest price among the categories of the sender's messages; each category needs a
    price.
    """
    frequency_cap: Annotated[str, AfterValidator(_check_frequency_cap)] = Field(default="", alias="max_per_number")
    """The messages that one number may get in a period from all campaigns of the sender: ``3 in 24h``. Empty is no
    limit.
    """
    repeat_after: Annotated[str, AfterValidator(_check_repeat_after)] = "30m"
    """The time after which the same text may go to the same number again; ``0m``: immediately. Gateways drop a
    repetition within 30 minutes.
    """

    silence_brake: bool = True
    """Whether promotional messages are held back while overdue delivery reports are missing."""
    foreign_numbers: bool = False
    """Whether the sender's campaigns may go to numbers of other countries. A header that is registered with the DLT
    reaches only numbers in India.
    """

    @property
    def provider(self) -> str:
        """The first provider of the sender's chain, which gets the messages while it can be reached."""
        return self.chain[0] if self.chain else ""

    @property
    def fallbacks(self) -> tuple[str, ...]:
        """The other providers of the chain, which get the messages while the first cannot be reached, by priority."""
        return self.chain[1:]

    @property
    def urgent(self) -> bool:
        """Return whether the sender's campaigns are sent before bulk campaigns."""
        return self.category == "transactional"

    def may_send(self, template: str) -> bool:
        """Return whether the sender may use a template that is registered for the sender."""
        return not self.templates or template in self.templates

    @property
    def max_per_number(self) -> int:
        """The messages that one number may get within ``frequency_period_s``; 0 is no limit."""
        return _parse_frequency_cap(self.frequency_cap)[0]

    @property
    def frequency_period_s(self) -> int:
        """The period of ``max_per_number``, in seconds; 0 without a limit."""
        return _parse_frequency_cap(self.frequency_cap)[1]

    @property
    def repeat_after_s(self) -> int:
        """Seconds after which the same text may go to the same number again."""
        return parse_seconds(self.repeat_after, min_s=0)
