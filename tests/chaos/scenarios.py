"""The scenarios: campaigns and the faults meanwhile; first each kind of fault alone, then all kinds together."""

from tests.chaos import process_faults, redis_faults
from tests.chaos.conditions import (
    busy_cores,
    clock_jumps,
    full_ledger,
    full_worker,
    lonely_primary,
    lost_links,
    many_campaigns,
    sender_in_lanes,
    slow_redis,
    waiting_reports,
)
from tests.chaos.operator_actions import CAMPAIGN_PAUSED, OPERATOR_ACTIONS, RATE_CHANGED
from tests.chaos.provider_faults import EVERYTHING, IN_DOUBT, NOT_NOW
from tests.chaos.scenario import CampaignSpec, RunPlan, Scenario
from tests.chaos.schedule import FaultSequence
from tests.chaos.settings import LIMITED, SLOW, UNLIMITED

WORKERS = ("worker-1", "worker-2")
OTHERS = ("receiver", "reconciler-1", "reconciler-2", "beat")


def run_plans(lease_s: float) -> list[RunPlan]:
    """Return the runs of the whole suite."""
    return [
        RunPlan("each fault alone", alone(lease_s)),
        RunPlan("all faults together", [together(lease_s)], resends=True),
        busy_cores.plan(),
        slow_redis.plan(),
        many_campaigns.plan(),
        lonely_primary.plan(),
        clock_jumps.plan(),
        full_ledger.plan(),
        waiting_reports.plan(),
        full_worker.plan(),
        lost_links.plan(),
        sender_in_lanes.plan(),
    ]


def alone(lease_s: float) -> list[Scenario]:
    """Return a scenario for each kind of fault."""
    killed, frozen, stopped = process_faults.KILLED, process_faults.FROZEN, process_faults.STOPPED
    zombie = process_faults.frozen_past(lease_s)
    away = redis_faults.away_past(lease_s), redis_faults.frozen_past(lease_s)  # the seed chooses one of them
    # Scenarios that leave messages in doubt run first, because doubt is resolved at the end of the validity.
    return [
        Scenario(
            "provider leaves doubt",
            _campaigns(20),
            (FaultSequence(IN_DOUBT, ("provider",), until_s=24, pause_s=(0, 1)),),
        ),
        Scenario("workers killed", _campaigns(20), (FaultSequence((killed,), WORKERS, until_s=20, pause_s=(4, 8)),)),
        Scenario(
            "workers frozen",
            # Each other campaign has one batch that takes longer than a lease: the frozen worker resumes when
            # another worker has sent half of it.
            _campaigns(25) + (CampaignSpec(UNLIMITED, 1_000, rate_per_s=80),) * 6,
            (
                FaultSequence((zombie,), WORKERS[:1], until_s=20, first_s=1),
                FaultSequence((frozen,), WORKERS[1:], until_s=25, first_s=4, pause_s=(4, 8)),
            ),
        ),
        Scenario("provider says not now", _campaigns(12), (FaultSequence(NOT_NOW, ("provider",), until_s=18),)),
        Scenario(
            "Redis in trouble", _campaigns(15), (FaultSequence(redis_faults.REDIS_FAULTS, ("redis",), until_s=25),)
        ),
        Scenario("Redis away past the leases", _campaigns(10), (FaultSequence(away, ("redis",), until_s=4),)),
        Scenario("others killed and frozen", _campaigns(15), (FaultSequence((killed, frozen), OTHERS, until_s=16),)),
        Scenario(
            "paused, resumed, changed", _campaigns(20), (FaultSequence(OPERATOR_ACTIONS, (LIMITED, SLOW), until_s=15),)
        ),
        Scenario(
            "everything stopped in turn", _campaigns(12), (FaultSequence((stopped,), WORKERS + OTHERS, until_s=16),)
        ),
    ]


def together(lease_s: float, *, messages: int = 50_000, seconds: float = 100.0) -> Scenario:
    """Return a scenario with all faults at once."""
    zombie = process_faults.frozen_past(lease_s)
    fault_sequences = (
        *(
            FaultSequence((process_faults.KILLED, process_faults.FROZEN, zombie), (name,), seconds, pause_s=(6, 14))
            for name in WORKERS
        ),
        FaultSequence((process_faults.KILLED, process_faults.FROZEN), OTHERS, seconds, pause_s=(2, 6)),
        FaultSequence(redis_faults.REDIS_FAULTS, ("redis",), seconds, first_s=8, pause_s=(8, 14)),
        FaultSequence(IN_DOUBT + NOT_NOW + EVERYTHING, ("provider",), seconds, pause_s=(4, 8)),
        FaultSequence(OPERATOR_ACTIONS, (LIMITED, SLOW), seconds, first_s=6, pause_s=(5, 9)),
    )
    tenth = messages // 10
    bursts = tuple(CampaignSpec(UNLIMITED, tenth, at_s=seconds * part / 4) for part in range(4))
    steady = (CampaignSpec(LIMITED, 3 * tenth), CampaignSpec(LIMITED, tenth), CampaignSpec(SLOW, messages - 8 * tenth))
    return Scenario("all together", steady + bursts, fault_sequences, validity_s=600)


def brief(lease_s: float) -> Scenario:
    """Return a scenario that is short enough for a test, with some faults of every kind."""
    killed, stopped, zombie = process_faults.KILLED, process_faults.STOPPED, process_faults.frozen_past(lease_s)
    fault_sequences = (
        FaultSequence((killed,), WORKERS[:1], until_s=5, first_s=4.5),
        FaultSequence((zombie,), WORKERS[1:], until_s=8, first_s=7.5),
        FaultSequence((killed,), OTHERS, until_s=9, first_s=2),
        FaultSequence((redis_faults.KILLED, redis_faults.DROPS_CLIENTS), ("redis",), until_s=9, first_s=4),
        FaultSequence(EVERYTHING, ("provider",), until_s=9, first_s=1),
        # At the very start, because a pause proves nothing for batches whose worker is dead.
        FaultSequence((CAMPAIGN_PAUSED,), (LIMITED,), until_s=3, first_s=0.5),
        FaultSequence((RATE_CHANGED,), (LIMITED,), until_s=9, first_s=8),
        # Early, so that the worker runs again before it is frozen, even if its pushes take long.
        FaultSequence((stopped,), WORKERS[1:], until_s=1, first_s=0.5),
    )
    campaigns = (
        CampaignSpec(LIMITED, 3_500),
        CampaignSpec(UNLIMITED, 2_000, at_s=3),
        CampaignSpec(UNLIMITED, 600, rate_per_s=40),
    )
    # The last campaign's batch takes longer than a lease: the frozen worker resumes when others have sent half of it.
    return Scenario("in brief", (*campaigns, campaigns[-1]), fault_sequences)


def _campaigns(seconds: int) -> tuple[CampaignSpec, ...]:
    """Return campaigns that take this many seconds without faults."""
    return (
        CampaignSpec(LIMITED, 400 * seconds),
        CampaignSpec(UNLIMITED, 100 * seconds, at_s=2, in_doubt="resend"),
        CampaignSpec(SLOW, 150 * seconds),
    )
