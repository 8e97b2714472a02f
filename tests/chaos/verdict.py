"""Compares a run with the guarantees: figures of the whole run and of each scenario."""

from dataclasses import dataclass
from functools import cached_property

from tests.chaos.figure import ChaosFigure
from tests.chaos.figures import NEVER_ACCEPTED, figures, never_accepted, not_measured
from tests.chaos.observations import Observations
from tests.chaos.run import ChaosResult, FinishedScenario


@dataclass(frozen=True)
class RunVerdict:
    """The figures of a run."""

    result: ChaosResult
    gap_s: float
    """The longest allowed gap without a send, in seconds."""

    @cached_property
    def figures(self) -> list[ChaosFigure]:
        """The figures of the whole run."""
        observations, plan = self.result.observations, self.result.plan
        every = self._meaningful(observations)
        if plan.resends and NEVER_ACCEPTED not in plan.without:
            every.append(never_accepted(observations))
        every += [judge(observations) for judge in plan.judges]
        return [*every, *observations.events.measured, *not_measured(observations.events.measured, plan.measures)]

    @property
    def holds(self) -> bool:
        """Whether every figure holds."""
        return all(figure.holds for figure in self.figures)

    def observations(self, finished: FinishedScenario) -> Observations:
        """Return the data of one scenario."""
        return self.result.observations.of(finished.span, finished.campaigns)

    def broken(self, finished: FinishedScenario) -> list[ChaosFigure]:
        """Return the figures that do not hold for one scenario."""
        return [figure for figure in self._meaningful(self.observations(finished)) if not figure.holds]

    def _meaningful(self, observations: Observations) -> list[ChaosFigure]:
        without = self.result.plan.without
        return [figure for figure in figures(observations, gap_s=self.gap_s) if figure.name not in without]
