"""A measured figure beside what it must and should reach."""

from typing import Literal

import msgspec

Better = Literal["more", "less"]


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table."""

    name: str
    value: float
    unit: str
    better: Better = "more"
    must: float | None = None
    aim: float | None = None
    baseline: float | None = None
    """What the one that we are compared with reached, in the same run."""
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Say how many times the baseline's value ours is."""
        return self.value / self.baseline if self.baseline else None

    @property
    def reaches_must(self) -> bool:
        """Say whether it is good enough."""
        return self._reaches(self.must)

    @property
    def reaches_aim(self) -> bool:
        """Say whether it is as good as hoped."""
        return self._reaches(self.aim)

    def _reaches(self, bound: float | None) -> bool:
        if bound is None:
            return True
        return self.value >= bound if self.better == "more" else self.value <= bound


def shown(value: float | None, unit: str) -> str:
    """Write a value as people read it."""
    if value is None:
        return ""
    if unit == "%":
        return f"{value:.1f} %"
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f} {unit}".strip()
