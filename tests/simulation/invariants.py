"""What must hold at every moment of a simulation, whatever went wrong before."""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.world import World

PAUSE_WITHIN_S = 1.0
"""No push starts later than this after a pause has returned."""
RATE_EXCESS = 0.05
"""In no second more pushes start than the rate and this share of it, and at least one more."""


class Violation(AssertionError):
    """An invariant does not hold."""


class Invariants:
    """Checks the provider's books and the ledger's; each check raises ``Violation``."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._pushes_seen = 0
        self._by_sender: defaultdict[str, list[float]] = defaultdict(list)
        self.pauses: dict[str, float] = {}
        """Campaigns that are paused, by the moment at which the pause returned."""
        self.lost_seconds: list[tuple[float, float]] = []
        """Spans of virtual time that the server forgot: what was pushed in them may be pushed again."""
        self.checks = 0

    async def check(self) -> None:
        """Check everything that can be said at this moment."""
        self.checks += 1
        self._check_pushes()
        self._check_never_twice()

    def _check_pushes(self) -> None:
        begun = self._world.provider.begun
        for at_s, sender, campaign in begun[self._pushes_seen :]:
            paused_s = self.pauses.get(campaign)
            if paused_s is not None and at_s > paused_s + PAUSE_WITHIN_S:
                raise Violation(f"a push of {campaign} started {at_s - paused_s:.2f} s after its pause had returned")
            self._check_rate(sender, at_s)
        self._pushes_seen = len(begun)

    def _check_rate(self, sender: str, at_s: float) -> None:
        rate = self._world.rates[sender]
        times = self._by_sender[sender]
        times.append(at_s)
        if rate:
            in_second = len(times) - bisect_right(times, at_s - 1.0)
            if in_second > max(rate + 1, rate * (1 + self._world.rate_excess)):
                raise Violation(f"{in_second} pushes of {sender} started within a second, its rate is {rate:g}")
            if len(times) > 10_000:
                del times[: bisect_left(times, at_s - 10.0)]

    def _check_never_twice(self) -> None:
        accepted = self._world.provider.accepted
        for row in self._world.provider.newly_accepted():
            campaign, index = row
            tries = accepted[row]
            allowed = 2 if self._world.plans[campaign].in_doubt == "resend" else 1  # type: ignore[index]
            again = [later for later in tries[1:] if not self._was_forgotten(tries[0].at_s)]
            if len(tries) > allowed and again:
                moments = ", ".join(f"attempt {one.attempt} at {one.at_s:.3f} s" for one in tries)
                raise Violation(f"message {index} of {campaign} was accepted {len(tries)} times: {moments}")

    def _was_forgotten(self, at_s: float) -> bool:
        return any(start <= at_s <= end for start, end in self.lost_seconds)

    async def check_ledger(self) -> None:
        """Compare the ledger's counters with its records, and find each pending message's way out."""
        world = self._world
        for campaign, plan in world.plans.items():
            if campaign not in world.sealed:
                continue
            view = await world.queries.campaign(campaign)
            if not view.identity_holds or view.total != world.totals[campaign]:
                raise Violation(f"{campaign}: the counters do not add up: {dict(view.counts)}, total {view.total}")
            states = Counter([message.record.state async for message in world.queries.messages(campaign)])
            counts = {state: count for state, count in view.counts.items() if count}
            if counts != states:
                raise Violation(f"{campaign}: counters {counts} are not what the records say, {dict(states)}")
            if view.unsent and view.state.value == "running":
                await self._check_reachable(plan.sender, campaign)

    async def _check_reachable(self, sender: str, campaign: str) -> None:
        keys = await self._world.reachable_from(sender)
        if not any(member == campaign or member.startswith(f"{campaign}:") for member in keys):
            raise Violation(f"{campaign}: messages are pending, and nothing will ever hand them out")

    async def check_end(self) -> None:
        """Check what must hold when all faults are over and everybody had time to finish."""
        world = self._world
        await self.check()
        await self.check_ledger()
        for campaign in world.sealed:
            view = await world.queries.campaign(campaign)
            if view.state.value not in {"finished", "cancelled"}:
                raise Violation(
                    f"{campaign} is {view.state.value} ({view.reason or 'no reason'}) when all should be finished: "
                    f"{ {state.label: count for state, count in view.counts.items() if count} }"
                )
