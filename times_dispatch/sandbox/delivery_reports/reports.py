"""Plans the delivery reports of a message; the plan depends only on the seed and the message's id."""

from enum import StrEnum

import msgspec

from times_dispatch.sandbox.config import ReportsConfig
from times_dispatch.sandbox.seeded_random import SeededRandom, pick

(
    _MISSING,
    _FAILED,
    _CODE,
    _DELAY,
    _EARLY,
    _DUPLICATED,
    _DUPLICATE_DELAY,
    _CONTRADICTED,
    _CONTRADICTION_DELAY,
    _CLICKED,
    _REPLIED,
    _AFTER_DELIVERY,
    _FORGED,
    _FORGERY,
    _FOREIGN,
    _ODD,
) = range(16)

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


class Event(StrEnum):
    """The events of reports (docs/domain.md section 3)."""

    DELIVERED = "delivered"
    FAILED = "failed"
    CLICKED = "clicked"
    REPLIED = "replied"


class Origin(StrEnum):
    """The origin of a row; only ``OWN`` rows are true reports about a message of this account."""

    OWN = "own"
    FORGED = "forged"
    FOREIGN = "foreign"


class ReportRow(msgspec.Struct, frozen=True, gc=False):
    """A row of a report, without its time."""

    event: Event
    meta: str
    code: str = ""
    origin: Origin = Origin.OWN
    odd: bool = False


class ReportPlan(msgspec.Struct, frozen=True):
    """The rows of one message: early rows are posted before the push is answered, later rows after a delay in s."""

    early: list[ReportRow]
    later: list[tuple[float, ReportRow]]


def plan(meta: str, config: ReportsConfig, seeded_random: SeededRandom, *, is_first: bool = False) -> ReportPlan:
    """Return all rows about the accepted message ``meta``; *is_first*: the campaign's first message to its number."""
    draws = seeded_random.draws(meta, purpose=b"reports")
    odd = draws[_ODD] < config.odd
    early: list[ReportRow] = []
    later: list[tuple[float, ReportRow]] = []
    delay_s = _delay_s(config, draws[_DELAY])
    if draws[_MISSING] >= config.missing:
        fails_first = is_first and draws[_FAILED] < config.failed_first
        failed = fails_first or draws[_FAILED] < config.failed
        final = ReportRow(Event.DELIVERED, meta, odd=odd)
        if failed:
            codes = config.failed_first_codes if fails_first else config.failed_codes
            final = ReportRow(Event.FAILED, meta, pick(codes, draws[_CODE]), odd=odd)
        if draws[_EARLY] < config.early:
            early.append(final)
            delay_s = 0.0
        else:
            later.append((delay_s, final))
        if draws[_DUPLICATED] < config.duplicated:
            later.append((_delay_s(config, draws[_DUPLICATE_DELAY]), final))
        if not failed:
            if draws[_CONTRADICTED] < config.contradicted:
                row = _failure(meta, config, draws[_CODE], odd=odd)
                later.append((_delay_s(config, draws[_CONTRADICTION_DELAY]), row))
            after_s = delay_s + _delay_s(config, draws[_AFTER_DELIVERY])
            if draws[_CLICKED] < config.clicked:
                later.append((after_s, ReportRow(Event.CLICKED, meta, odd=odd)))
            if draws[_REPLIED] < config.replied:
                later.append((after_s, ReportRow(Event.REPLIED, meta, odd=odd)))
    if draws[_FORGED] < config.forged:
        row = ReportRow(Event.FAILED, _forge(meta, draws[_FORGERY]), "904", Origin.FORGED)
        later.append((delay_s, row))
    if draws[_FOREIGN] < config.foreign:
        meta = f"1567{int(draws[_FORGERY] * 2**40):013d}_{int(draws[_CODE] * 2**20)}"
        later.append((delay_s, ReportRow(Event.DELIVERED, meta, origin=Origin.FOREIGN)))
    return ReportPlan(early, later)


def _delay_s(config: ReportsConfig, draw: float) -> float:
    return (config.delay_min_ms + draw * (config.delay_max_ms - config.delay_min_ms)) / 1000


def _failure(meta: str, config: ReportsConfig, draw: float, *, odd: bool) -> ReportRow:
    return ReportRow(Event.FAILED, meta, pick(config.failed_codes, draw), odd=odd)


def _forge(meta: str, draw: float) -> str:
    """Return an id with one changed character: in the campaign, the index, the attempt or the signature."""
    index = int(draw * len(meta))
    other = _ALPHABET[(_ALPHABET.find(meta[index]) + 1) % len(_ALPHABET)]
    return meta[:index] + other + meta[index + 1 :]
