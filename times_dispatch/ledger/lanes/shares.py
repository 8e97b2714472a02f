"""The share of each lane in a rate or a cap; the shares of a rate add up to the rate exactly, in millionths."""

from decimal import Decimal
from typing import Final

from times_dispatch.ledger.model import Plan

MIN_RATE_PER_LANE: Final = 20.0
"""Below this rate, a lane could send one message more in a second than the rate plus 5 %."""
_MILLION: Final = 1_000_000


def rate_shares(rate_per_s: float, lanes: int) -> list[float]:
    """Return the rate of each lane, in messages or SMS parts per second; 0 (no limit) gives 0 for each lane."""
    millionths = round(Decimal(str(rate_per_s)) * _MILLION)
    each, rest = divmod(millionths, lanes)
    return [float(Decimal(each + (lane < rest)) / _MILLION) for lane in range(lanes)]


def cap_shares(max_parts: int, lanes: int) -> list[int]:
    """Return the daily cap of each lane, in SMS parts: at least 1 for a limited sender, because 0 is no limit."""
    if not max_parts:
        return [0] * lanes
    each, rest = divmod(max_parts, lanes)
    return [max(1, each + (lane < rest)) for lane in range(lanes)]


def too_low(rate_per_s: float, lanes: int) -> bool:
    """Say whether a rate is too low for this number of lanes."""
    return lanes > 1 and 0 < rate_per_s < MIN_RATE_PER_LANE * lanes


def forbidden_with_lanes(plan: Plan, lanes: int, *, max_parts_per_day: int) -> str:
    """Return the setting of a campaign that this number of lanes does not allow; empty if all settings are allowed.

    Args:
        plan: the campaign.
        lanes: the number of lanes of the sender; 1 for a sender without lanes.
        max_parts_per_day: the daily cap of the sender; 0 if there is none.
    """
    if lanes == 1:
        return ""
    if plan.max_parts:
        return "max_parts or max_money"
    if max_parts_per_day:
        return "a sender with a daily cap"
    if too_low(plan.rate_per_s, lanes):
        return f"a rate_per_s below {MIN_RATE_PER_LANE * lanes:g}, {MIN_RATE_PER_LANE:g} for each of {lanes} lanes"
    return ""
