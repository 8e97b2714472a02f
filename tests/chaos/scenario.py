"""The definition of a scenario: campaigns, the faults that are injected meanwhile, and the measurements."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field

from tests.chaos.figure import ChaosFigure
from tests.chaos.observations import Observations
from tests.chaos.schedule import FaultSequence
from tests.chaos.testbed import ChaosTestbed, TestbedOptions

Script = Callable[[ChaosTestbed], Coroutine[None, None, None]]
"""Acts on the testbed, and writes its measurements to ``EventLog.measured``."""


@dataclass(frozen=True)
class CampaignSpec:
    """A campaign to submit."""

    sender: str
    messages: int
    at_s: float = 0.0
    """When the campaign is submitted, in seconds after the first campaigns of the scenario, which have 0."""
    in_doubt: str = "give_up"
    rate_per_s: float = 0.0
    """The campaign's own rate limit, in messages per second; 0 means no limit."""


@dataclass(frozen=True)
class Scenario:
    """Campaigns, and the faults that are injected while they are sent."""

    name: str
    campaigns: tuple[CampaignSpec, ...]
    fault_sequences: tuple[FaultSequence, ...] = ()
    validity_s: int = 120
    """Validity of the campaigns, in seconds."""
    script: Script | None = None
    """A function that acts and measures while the faults are injected, after the first campaigns are submitted."""

    @property
    def messages(self) -> int:
        """Number of messages of all campaigns."""
        return sum(spec.messages for spec in self.campaigns)


@dataclass(frozen=True)
class RunPlan:
    """Scenarios that run one after another on one testbed."""

    name: str
    scenarios: list[Scenario]
    options: TestbedOptions = field(default_factory=TestbedOptions)
    is_light: bool = False
    """Whether the run leaves most of the machine idle, so that another such run can run at the same time."""
    is_busy: bool = False
    """Whether other work keeps every core busy during the run."""
    resends: bool = False
    """Whether a command sends messages in doubt again at the end; if not, the campaigns' policies decide."""
    measures: tuple[str, ...] = ()
    """Names of figures that the scenarios' scripts must have measured."""
    judges: tuple[Callable[[Observations], ChaosFigure], ...] = ()
    """Further figures, which are computed from the observations of the whole run."""
    without: tuple[str, ...] = ()
    """Names of figures that this plan's faults make meaningless."""
