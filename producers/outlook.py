"""When a campaign would start and finish, at its sender's rate, in its hours, beside the sender's other campaigns."""

import math
from collections.abc import Sequence
from datetime import datetime

import msgspec

from producers.schedule import Times
from timesmobile.rules.window import Window


class Ahead(msgspec.Struct, frozen=True):
    """Another campaign of the same sender that still has something to send."""

    campaign: str
    name: str
    units: int
    """Messages, or parts if that is what the sender's rate counts."""


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """A forecast: all campaigns go on in turn, nobody pauses any, and the provider is there."""

    starts: datetime
    finishes: datetime | None
    """None if it does not finish before it expires, or nothing limits its rate."""
    expires: datetime
    takes_s: float
    """Seconds of sending; 0 if nothing limits its rate."""
    unsent: int
    """Messages (or parts) that would expire; 0 if it finishes in time."""
    ahead: int
    """Messages (or parts) of other campaigns that go out before its last."""


def outlook(
    units: int,
    *,
    sender_rate: float,
    own_rate: float,
    times: Times,
    window: Window,
    others: Sequence[Ahead],
    now: datetime,
) -> Outlook:
    """Forecast so many messages or parts; a rate of 0 is no limit.

    The sender's campaigns take turns, so of each other one as much goes before our last message as we have ourselves,
    or all of it if that is less.
    """
    left = _left(others, sender_rate * max((times.opens - now).total_seconds(), 0.0))
    ahead = sum(min(theirs, units) for theirs in left)
    takes_s = max((units + ahead) / sender_rate if sender_rate else 0.0, units / own_rate if own_rate else 0.0)
    finishes = window.finish(times.opens, takes_s, limit=times.ends) if takes_s else None
    unsent = 0
    if takes_s and finishes is None:
        open_s = window.open_s(times.opens, times.ends)
        # A hair more than the quotient, so that a rounding error is no message.
        unsent = units - math.floor(units * open_s / takes_s + 1e-6)
    return Outlook(
        starts=times.opens,
        finishes=finishes,
        expires=times.ends,
        takes_s=takes_s,
        unsent=unsent,
        ahead=ahead if sender_rate else 0,
    )


def _left(others: Sequence[Ahead], sent: float) -> list[int]:
    """Return what others have left once so much of it is sent, all of them in turn."""
    whole = sum(other.units for other in others)
    share = max(0.0, 1 - sent / whole) if whole else 0.0
    return [math.ceil(other.units * share) for other in others]
