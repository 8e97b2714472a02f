"""Compares a run with the guarantees: figures of the whole run and of each scenario."""

from dataclasses import dataclass
from functools import cached_property

from tests.chaos.figures import Figure, figures, never_accepted
from tests.chaos.observations import Observations
from tests.chaos.run import FinishedScenario, Result


@dataclass(frozen=True)
class RunVerdict:
    """The figures of a run."""

    result: Result
    gap_s: float
    """The longest allowed gap without a send."""

    @cached_property
    def figures(self) -> list[Figure]:
        """The figures of the whole run."""
        every = figures(self.result.observations, gap_s=self.gap_s)
        return [*every, never_accepted(self.result.observations)] if self.result.plan.resends else every

    @property
    def holds(self) -> bool:
        """Whether every figure holds."""
        return all(figure.holds for figure in self.figures)

    def observations(self, finished: FinishedScenario) -> Observations:
        """Return the data of one scenario."""
        return self.result.observations.of(finished.span, finished.campaigns)

    def broken(self, finished: FinishedScenario) -> list[Figure]:
        """Return the figures that do not hold for one scenario."""
        return [figure for figure in figures(self.observations(finished), gap_s=self.gap_s) if not figure.holds]
