"""The pace of a sender or a campaign: GCRA, as ``lua/lib/pacing.lua`` says."""

from dataclasses import dataclass

MAX_AHEAD_US = 350_000
IMPOSSIBLE_US = 1_000_000


@dataclass
class Pace:
    """Send times at a rate; every message costs one unit."""

    rate_per_s: float = 0.0
    """0 means no limit."""
    last_us: int = 0
    """The last send time; 0 if there was none."""

    @property
    def unit_us(self) -> int:
        return round(1_000_000 / self.rate_per_s)

    def next_us(self, now_us: int, *, earliest_us: int) -> int:
        latest_us = now_us + MAX_AHEAD_US
        if not self.last_us or self.last_us > latest_us + IMPOSSIBLE_US:
            return earliest_us
        return max(min(self.last_us, latest_us) + self.unit_us, earliest_us)
