"""*failover with the old primary alive*: a partition, a promoted replica, and an old primary that continues to serve.

The old primary has ``min-replicas-to-write 1``: a second or two after the partition it refuses writes. All processes
except worker-1 use the new primary at once; worker-1 stays with the old primary until the partition is over.

The script promotes the replica only when it has every acknowledged report, so the books and the ledger must be equal in
the end. ``tests.failover`` measures what a failover with asynchronous replication loses otherwise.
"""

import asyncio

from redis.asyncio import Redis

from tests.chaos.figure import ChaosFigure
from tests.chaos.figures import ACCEPTED_TWICE, ARRIVING, LOST_WORKERS, SENT_IN_A_SECOND, WRONG_STATISTICS
from tests.chaos.lost_workers import record_lost_worker
from tests.chaos.observations import Observations
from tests.chaos.replica import MAX_LAG_S
from tests.chaos.scenario import CampaignSpec, RunPlan, Scenario
from tests.chaos.settings import LIMITED, SLOW
from tests.chaos.testbed import ChaosTestbed, TestbedOptions
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.states import MessageState

LONELY = "opened on the lonely primary"
TWICE = "accepted twice in the first seconds"
_ALONE = "worker-1"
_PARTITION_S = 20.0
_WINDOW_S = MAX_LAG_S + 2.0
"""Seconds after which the primary knows that it has no replica: the lag, and two rounds of Redis' timer."""


def plan() -> RunPlan:
    campaigns = (CampaignSpec(LIMITED, 14_000), CampaignSpec(SLOW, 7_000))
    scenario = Scenario("failover with the old primary alive", campaigns, validity_s=150, script=_divide)
    return RunPlan(
        "failover with the old primary alive",
        [scenario],
        TestbedOptions(wires=("", _ALONE), has_replica=True),
        is_light=True,
        measures=(LONELY,),
        judges=(judge_twice,),
        # For some seconds both primaries serve, each with the whole rate; writes that reach only the old one are lost.
        without=(ACCEPTED_TWICE, LOST_WORKERS, ARRIVING, SENT_IN_A_SECOND, WRONG_STATISTICS),
    )


def judge(pending: list[int | None]) -> ChaosFigure:
    """Compare the pending messages on the old primary when it began to refuse writes and when the partition ended.

    The figure fails if no message was pending there, or if the old primary did not answer: then it proves nothing.
    """
    first, last = pending[0], pending[-1]
    if not first or last is None:
        return ChaosFigure(LONELY, "nothing was pending there", "0", False)
    return ChaosFigure(LONELY, f"{first - last:,}", "0", first == last, [f"pending there, second by second: {pending}"])


def judge_twice(observations: Observations) -> ChaosFigure:
    """Compare the number of second copies with the messages that only the old primary opened."""
    twice = sum(outcome.comparison.accepted_twice for outcome in observations.campaigns.values())
    in_window = observations.events.opened_alone
    return ChaosFigure(TWICE, f"{twice:,}", f"≤ {in_window:,} opened in {_WINDOW_S:g} s", twice <= in_window)


async def _divide(testbed: ChaosTestbed) -> None:
    replica, wires = testbed.replica, testbed.wires
    assert replica
    await asyncio.sleep(6)
    old = connect(testbed.stack.redis.url, socket_timeout_s=1.0, retries=0)
    testbed.log_action("the network is divided: worker-1 and the old primary are alone")
    wires[""].change(is_silent=True)  # from here on only worker-1 gets answers from the old primary
    replica.catch_up()
    replica.wire.change(is_silent=True)
    replica.promote()
    await testbed.reconnect()
    known = await _pending(testbed, testbed.redis)
    wires[""].change(target=replica.port, is_silent=False, hangs_up=True)
    testbed.start_background(record_lost_worker(testbed, _ALONE))
    await asyncio.sleep(_WINDOW_S)
    pending = [await _pending(testbed, old)]
    testbed.events.opened_alone = (known or 0) - (pending[0] or 0)
    for _ in range(round(_PARTITION_S)):
        await asyncio.sleep(1)
        pending.append(await _pending(testbed, old))
    testbed.events.measured.append(judge(pending))
    testbed.log_action("the network is whole: the old primary follows the new one")
    await old.aclose()
    replica.follow()
    wires[_ALONE].change(target=replica.port, hangs_up=True)
    replica.wire.change(is_silent=False, hangs_up=True)


async def _pending(testbed: ChaosTestbed, redis: Redis) -> int | None:
    queries = Queries(redis)
    views = [await queries.campaign(campaign) for campaign in testbed.campaigns]
    return sum(view.counts[MessageState.PENDING] for view in views)
