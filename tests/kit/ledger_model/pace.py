"""The pace of a sender or a campaign: GCRA, as described in ``lua/lib/pacing.lua``."""

from dataclasses import dataclass

MAX_AHEAD_US = 350_000
IMPOSSIBLE_US = 1_000_000


@dataclass
class Pace:
    """Send times at a rate."""

    rate_per_s: float = 0.0
    """0 means no limit."""
    last_us: int = 0
    """The last send time; 0 if there was none."""
    last_cost: int = 1
    """How many units were sent at that time."""

    @property
    def unit_us(self) -> int:
        return round(1_000_000 / self.rate_per_s)

    def next_us(self, now_us: int, *, earliest_us: int) -> int:
        latest_us = now_us + MAX_AHEAD_US
        if not self.last_us or self.last_us > latest_us + IMPOSSIBLE_US:
            return earliest_us
        return max(min(self.last_us, latest_us) + self.last_cost * self.unit_us, earliest_us)

    def keep(self, last_us: int, *, cost: int = 1) -> None:
        """Keep the last send time, and the units that were sent at that time."""
        self.last_us, self.last_cost = last_us, cost
