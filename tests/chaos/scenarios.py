"""What is sent and what goes wrong meanwhile: each kind of fault alone, then all of them together."""

from dataclasses import dataclass

from tests.chaos import processes, redis_trouble
from tests.chaos.provider_faults import EVERYTHING, IN_DOUBT, NOT_NOW
from tests.chaos.schedule import Lane
from tests.chaos.settings import LIMITED, SLOW, UNLIMITED
from tests.chaos.steering import CAMPAIGN_PAUSED, RATE_CHANGED, STEERING

WORKERS = ("worker-1", "worker-2")
OTHERS = ("receiver", "reconciler-1", "reconciler-2", "beat")


@dataclass(frozen=True)
class Mailing:
    """A campaign to be submitted."""

    sender: str
    messages: int
    at_s: float = 0.0
    """Since those of the beginning, 0, were submitted."""
    in_doubt: str = "give_up"
    rate_per_s: float = 0.0
    """Of its own; 0 is none."""


@dataclass(frozen=True)
class Scenario:
    """Campaigns, and the faults that meet them."""

    name: str
    mailings: tuple[Mailing, ...]
    lanes: tuple[Lane, ...]
    validity_m: int = 2
    """Minutes."""

    @property
    def messages(self) -> int:
        """How many messages it sends."""
        return sum(mailing.messages for mailing in self.mailings)


@dataclass(frozen=True)
class Programme:
    """Scenarios that are played one after the other on one stage."""

    name: str
    scenarios: list[Scenario]
    resends: bool = False
    """In the end what is in doubt still, so was never accepted, is sent again by hand; else the policies decide."""


def programmes(lease_s: float) -> list[Programme]:
    """Return all of it."""
    return [
        Programme("each fault alone", alone(lease_s)),
        Programme("all faults together", [together(lease_s)], resends=True),
    ]


def alone(lease_s: float) -> list[Scenario]:
    """Return a scenario for each kind of fault."""
    killed, frozen, stopped = processes.KILLED, processes.FROZEN, processes.STOPPED
    zombie = processes.frozen_past(lease_s)
    away = redis_trouble.away_past(lease_s), redis_trouble.frozen_past(lease_s)  # one of them, as the seed will have it
    # Those that leave doubt come first: its end is not waited for in vain.
    return [
        Scenario("provider leaves doubt", _mail(20), (Lane(IN_DOUBT, ("provider",), until_s=24, pause_s=(0, 1)),)),
        Scenario("workers killed", _mail(20), (Lane((killed,), WORKERS, until_s=20, pause_s=(4, 8)),)),
        Scenario(
            "workers frozen",
            # Besides, campaigns whose only batch outlasts a lease: a zombie finds it in other hands, half sent.
            _mail(25) + (Mailing(UNLIMITED, 1_000, rate_per_s=80),) * 6,
            (
                Lane((zombie,), WORKERS[:1], until_s=20, first_s=1),
                Lane((frozen,), WORKERS[1:], until_s=25, first_s=4, pause_s=(4, 8)),
            ),
        ),
        Scenario("provider says not now", _mail(12), (Lane(NOT_NOW, ("provider",), until_s=18),)),
        Scenario("Redis in trouble", _mail(15), (Lane(redis_trouble.TROUBLES, ("redis",), until_s=25),)),
        Scenario("Redis away past the leases", _mail(10), (Lane(away, ("redis",), until_s=4),)),
        Scenario("others killed and frozen", _mail(15), (Lane((killed, frozen), OTHERS, until_s=16),)),
        Scenario("paused, resumed, changed", _mail(12), (Lane(STEERING, (LIMITED, SLOW), until_s=15),)),
        Scenario("everything stopped in turn", _mail(12), (Lane((stopped,), WORKERS + OTHERS, until_s=16),)),
    ]


def together(lease_s: float, *, messages: int = 50_000, seconds: float = 100.0) -> Scenario:
    """Return all faults at once."""
    zombie = processes.frozen_past(lease_s)
    lanes = (
        *(Lane((processes.KILLED, processes.FROZEN, zombie), (name,), seconds, pause_s=(6, 14)) for name in WORKERS),
        Lane((processes.KILLED, processes.FROZEN), OTHERS, seconds, pause_s=(2, 6)),
        Lane(redis_trouble.TROUBLES, ("redis",), seconds, first_s=8, pause_s=(8, 14)),
        Lane(IN_DOUBT + NOT_NOW + EVERYTHING, ("provider",), seconds, pause_s=(4, 8)),
        Lane(STEERING, (LIMITED, SLOW), seconds, first_s=6, pause_s=(5, 9)),
    )
    tenth = messages // 10
    bursts = tuple(Mailing(UNLIMITED, tenth, at_s=seconds * part / 4) for part in range(4))
    steady = (Mailing(LIMITED, 3 * tenth), Mailing(LIMITED, tenth), Mailing(SLOW, messages - 8 * tenth))
    return Scenario("all together", steady + bursts, lanes, validity_m=10)


def brief(lease_s: float) -> Scenario:
    """Return what fits into a test: short leases, some of everything."""
    killed, stopped, zombie = processes.KILLED, processes.STOPPED, processes.frozen_past(lease_s)
    lanes = (
        Lane((killed,), WORKERS[:1], until_s=5, first_s=4.5),
        Lane((zombie,), WORKERS[1:], until_s=8, first_s=7.5),
        Lane((killed,), OTHERS, until_s=9, first_s=2),
        Lane((redis_trouble.KILLED, redis_trouble.FORGETFUL), ("redis",), until_s=9, first_s=4),
        Lane(EVERYTHING, ("provider",), until_s=9, first_s=1),
        # First of all: a pause proves nothing of batches whose worker is dead.
        Lane((CAMPAIGN_PAUSED,), (LIMITED,), until_s=3, first_s=0.5),
        Lane((RATE_CHANGED,), (LIMITED,), until_s=9, first_s=8),
        # So early that it runs again, however long its pushes take, before it is frozen.
        Lane((stopped,), WORKERS[1:], until_s=1, first_s=0.5),
    )
    mailings = (Mailing(LIMITED, 3_500), Mailing(UNLIMITED, 2_000, at_s=3), Mailing(UNLIMITED, 600, rate_per_s=40))
    # The last one's batch outlasts a lease: a zombie finds it in other hands, half sent.
    return Scenario("in brief", (*mailings, mailings[-1]), lanes)


def _mail(seconds: int) -> tuple[Mailing, ...]:
    """Fill so many undisturbed seconds."""
    return (
        Mailing(LIMITED, 400 * seconds),
        Mailing(UNLIMITED, 100 * seconds, at_s=2, in_doubt="resend"),
        Mailing(SLOW, 150 * seconds),
    )
