"""What a campaign file may say, field by field."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field, FiniteFloat

from times_dispatch.ledger.model import InDoubtPolicy, MissedStart
from times_dispatch.settings.durations import check_duration
from times_dispatch.settings.money import parse_optional_rupees
from times_dispatch.settings.rates import check_rate
from times_dispatch.settings.senders import WindowText, Zone
from times_dispatch.settings.strict_table import StrictTable
from times_dispatch.sms.rules.window import INDIA_ZONE

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
    if isinstance(value, datetime) and value.year not in _YEARS:  # what is near either end of the calendar has no UTC
        raise ValueError(f"must be in a year from 2000 to 2999, is in {value.year}")
    return value


Moment = Annotated[datetime | None, BeforeValidator(_moment)]
"""In the campaign's ``zone`` if it names none itself."""


class CampaignTable(StrictTable):
    """What stands in the file, types as written; a key that it does not know is a mistake."""

    RENAMED: ClassVar[Mapping[str, str]] = {"most_parts": "max_parts", "most_money": "max_money"}

    name: Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_name)]
    sender: str
    template: str
    variables: list[str] | None = None
    """One for each slot, in order, with ``{column}`` placeholders; left out, the columns var1, var2, …"""
    text: Annotated[str, Field(min_length=1)] | None = None
    """Instead of variables: the whole text with ``{column}`` placeholders, which must match the registered one."""
    recipients: Annotated[str, Field(min_length=1)] | None = None
    """The file with the rows, from where this file is; ``--recipients`` goes before it."""
    to: Annotated[str, Field(min_length=1)] = "to"
    """The column with the numbers."""
    start_at: Moment = None
    """Left out, or past, it is at once."""
    missed_start: MissedStart = "send"
    """What becomes of it if nobody was there at ``start_at``: sent late, cancelled, or held until it is resumed."""
    finish_by: Moment = None
    """What is not sent by then expires."""
    validity: Annotated[str, AfterValidator(check_duration)] | None = None
    """Instead: what is not sent so long after it may first be sent expires; 24h if neither is given."""
    window: WindowText | None = None
    """Hours of the day in which it is sent, within those of its category and sender; left out, all of those."""
    zone: Zone = INDIA_ZONE
    """Of ``start_at``, ``finish_by`` and ``window``."""
    in_doubt: InDoubtPolicy = "give_up"
    rate_per_s: Annotated[FiniteFloat, Field(gt=0), AfterValidator(check_rate)] | None = None
    """Below the sender's own; above it, it has no effect."""
    max_parts: Annotated[int, Field(ge=1)] | None = None
    """SMS parts that it may hand to the provider; what is left then is not sent."""
    max_money: Annotated[Decimal | None, BeforeValidator(parse_optional_rupees)] = None
    """The same as money, ``"Rs 5,000"``; it needs a ``price_per_part`` of its sender or category."""
    custom: dict[str, str] = Field(default_factory=dict)
    """Values of the provider's own placeholders, by name without the ``$$``; ``{column}`` takes them from there."""


ONE_OF_TWO = (("variables", "text"), ("validity", "finish_by"), ("max_parts", "max_money"))
"""Fields that say the same in two ways."""
