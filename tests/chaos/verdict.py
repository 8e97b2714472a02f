"""Whether a run holds: its figures, and those of each scenario."""

from dataclasses import dataclass
from functools import cached_property

from tests.chaos.evidence import Evidence
from tests.chaos.figures import Figure, figures, never_accepted
from tests.chaos.run import Played, Result


@dataclass(frozen=True)
class Verdict:
    """A run, held against the guarantees."""

    result: Result
    gap_s: float

    @cached_property
    def figures(self) -> list[Figure]:
        """The figures of the whole run."""
        every = figures(self.result.evidence, gap_s=self.gap_s)
        return [*every, never_accepted(self.result.evidence)] if self.result.programme.resends else every

    @property
    def holds(self) -> bool:
        """Say whether every figure is as it must be."""
        return all(figure.holds for figure in self.figures)

    def evidence(self, played: Played) -> Evidence:
        """Return what is known of one scenario."""
        return self.result.evidence.of(played.span, played.campaigns)

    def broken(self, played: Played) -> list[Figure]:
        """Return the figures that do not hold for one scenario."""
        return [figure for figure in figures(self.evidence(played), gap_s=self.gap_s) if not figure.holds]
