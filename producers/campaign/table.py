"""The fields of a campaign file: names, types and defaults."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field, FiniteFloat

from times_dispatch.ledger.model import InDoubtPolicy, MissedStart
from times_dispatch.settings.tables.retries import RetrySettings
from times_dispatch.settings.tables.senders import WindowText, Zone
from times_dispatch.settings.toml.strict_table import StrictTable
from times_dispatch.settings.values.durations import check_duration
from times_dispatch.settings.values.money import parse_optional_rupees
from times_dispatch.settings.values.rates import check_rate
from times_dispatch.sms.rules.send_window import INDIA_ZONE

_YEARS = range(2000, 3000)


def _name(name: str) -> str:
    if not name.isprintable() or name != name.strip():
        raise ValueError("must be one line, without spaces around it")
    return name


def _moment(value: object) -> object:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value) if len(value) > len("2026-11-08") else date.fromisoformat(value)
        except ValueError:
            raise ValueError(f"must be a date and time as in 2026-11-08T10:00:00, is {value!r}") from None
    if isinstance(value, date) and not isinstance(value, datetime):
        raise ValueError(f"needs a time as well, as in {value.isoformat()}T10:00:00")
    if isinstance(value, datetime) and value.year not in _YEARS:  # near the ends of the calendar, UTC may not exist
        raise ValueError(f"must be in a year from 2000 to 2999, is in {value.year}")
    return value


Moment = Annotated[datetime | None, BeforeValidator(_moment)]
"""A date and time; without an offset, in the campaign's ``zone``."""


class CampaignTable(StrictTable):
    """The fields, with the types that TOML gives them; an unknown key is a mistake."""

    RENAMED: ClassVar[Mapping[str, str]] = {"most_parts": "max_parts", "most_money": "max_money"}

    name: Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_name)]
    sender: str
    template: str
    variables: list[str] | None = None
    """Values of the template's slots, in order, with ``{column}`` placeholders. Default: the columns var1, var2, …"""
    text: Annotated[str, Field(min_length=1)] | None = None
    """Instead of ``variables``: the whole text with ``{column}`` placeholders, which must match the registered text."""
    recipients: Annotated[str, Field(min_length=1)] | None = None
    """The recipients file, relative to the campaign file; ``--recipients`` overrides it."""
    to: Annotated[str, Field(min_length=1)] = "to"
    """The column that holds the numbers."""
    start_at: Moment = None
    """The time before which no message is sent. Default: the campaign starts at once."""
    missed_start: MissedStart = "send"
    """The policy if no worker ran at ``start_at``: the campaign is sent late, cancelled, or paused until resumed."""
    finish_by: Moment = None
    """The time at which unsent messages expire."""
    validity: Annotated[str, AfterValidator(check_duration)] | None = None
    """Instead of ``finish_by``: the time from the first possible push until unsent messages expire. Default: 24h."""
    window: WindowText | None = None
    """Hours of the day, within the hours of the category and the sender. Default: all hours of these two."""
    zone: Zone = INDIA_ZONE
    """The time zone of ``start_at``, ``finish_by`` and ``window``."""
    in_doubt: InDoubtPolicy = "give_up"
    rate_per_s: Annotated[FiniteFloat, Field(gt=0), AfterValidator(check_rate)] | None = None
    """A limit of the campaign's own; it has an effect only below the sender's limit."""
    max_parts: Annotated[int, Field(ge=1)] | None = None
    """SMS parts that the campaign may hand to the provider; messages above this limit are not sent."""
    max_money: Annotated[Decimal | None, BeforeValidator(parse_optional_rupees)] = None
    """Instead of ``max_parts``: a limit as money, ``"Rs 5,000"``; needs the sender's or category's price_per_part."""
    links: dict[str, str] = Field(default_factory=dict)
    """The target of each tracked link, by its name. ``{name}`` in ``variables`` or ``text`` stands for the link."""
    opt_out_link: bool = False
    """Whether recipients can opt out at the address of a link followed by ``/stop``."""
    retry_failed: RetrySettings | None = None
    """The rule by which failed messages are sent again. Default: ``[retry_failed]`` of the settings."""
    custom: dict[str, str] = Field(default_factory=dict)
    """Values of the provider's own placeholders, by name without the ``$$``; ``{column}`` stands for a cell."""


ALTERNATIVES = (("variables", "text"), ("validity", "finish_by"), ("max_parts", "max_money"))
"""Pairs of fields of which a file may use only one, because both set the same thing."""
