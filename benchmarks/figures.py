"""A measured value with its limit and its target."""

from typing import Literal

import msgspec

Better = Literal["more", "less"]


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table: a measured value, the limit that the value must reach, and the target."""

    name: str
    value: float
    unit: str
    better: Better = "more"
    must: float | None = None
    aim: float | None = None
    baseline: float | None = None
    """The value of the baseline in the same run."""
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Our value divided by the baseline's."""
        return self.value / self.baseline if self.baseline else None

    @property
    def reaches_must(self) -> bool:
        """Whether the value reaches its limit."""
        return self._reaches(self.must)

    @property
    def reaches_aim(self) -> bool:
        """Whether the value reaches its target."""
        return self._reaches(self.aim)

    def _reaches(self, bound: float | None) -> bool:
        if bound is None:
            return True
        return self.value >= bound if self.better == "more" else self.value <= bound


def format_value(value: float | None, unit: str) -> str:
    """Return a value with its unit, rounded for people."""
    if value is None:
        return ""
    if unit == "%":
        return f"{value:.1f} %"
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f} {unit}".strip()
