"""When results are written, and which results are written together."""

import asyncio
from collections.abc import Callable, Sequence

import pytest
from redis.asyncio import Redis

from tests.kit.clock import FakeClock
from tests.kit.workers import CAMPAIGN, SENDER, WorkerRig, worker_context
from times_dispatch.clock import SYSTEM_CLOCK
from times_dispatch.ledger.errors import LeaseLost
from times_dispatch.ledger.leases import Lease
from times_dispatch.ledger.model import BatchRef, Plan, Recipients
from times_dispatch.ledger.openings import Block, new_operation
from times_dispatch.ledger.push_results import Result
from times_dispatch.provider.outcomes import BrakeScope, Outcome, Verdict
from workers.batch.batch_run import BatchEnd, BatchRun
from workers.batch.capacity import CapacityShare
from workers.batch.context import WorkerContext
from workers.batch.ledger_retry import LedgerRetry
from workers.batch.message_result import MessageResult
from workers.batch.recorder import Recorder
from workers.batch.renderer import MessageRenderer
from workers.batch.suppression_check import SuppressionCheck

CHAIN = ("times", "second")
ACCEPTED = Outcome(Verdict.ACCEPTED, 200)
NOW = 1_000.0


class FakeRecording:
    """A ledger that records each group of results."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.before: Callable[[], None] = lambda: None

    async def record(self, _lease: Lease, results: Sequence[Result], *_: object, **__: object) -> int:
        self.groups.append([result.index for result in results])
        self.before()
        return len(results)


def _recorder(context: WorkerContext, lease: Lease, plan: Plan) -> tuple[Recorder, BatchRun]:
    run = BatchRun(lease_deadline=float("inf"), clock=context.clock)
    ledger_retry = LedgerRetry(lease.ref, run, max_wait_s=0.25, clock=context.clock, rng=context.rng)
    renderer = MessageRenderer(lease, plan, context.ids)
    check = SuppressionCheck(
        lease,
        plan,
        limit=context.frequency_limit(plan.sender),
        cache=context.opt_out_cache,
        ledger_retry=ledger_retry,
        renderer=renderer,
    )
    share = CapacityShare()
    return Recorder(lease, CHAIN, context=context, run=run, ledger_retry=ledger_retry, check=check, share=share), run


class RecorderScene:
    """A recorder on a clock that stands still."""

    def __init__(self, redis: Redis) -> None:
        self.clock = FakeClock(now=NOW)
        self.leases = FakeRecording()
        self.braked: list[str] = []
        self.context = worker_context(redis, clock=self.clock, leases=self.leases, brake_provider=self._brake_provider)
        lease = Lease(BatchRef(SENDER, CAMPAIGN, 0), 1, Recipients(0, [], [], [], []))
        plan = Plan(
            name="diwali-sale",
            sender=SENDER,
            provider="times",
            template="greeting",
            content_id="1107160000000000001",
            text="Dear {#var#}",
            category="service",
            valid_until_ms=1,
        )
        self.recorder, self.run = _recorder(self.context, lease, plan)
        self.recorder.expect_results(1_000)

    async def _brake_provider(self, _sender: str, provider: str, _reason: str) -> None:
        self.braked.append(provider)

    async def add(self, *indexes: int, outcome: Outcome | None = ACCEPTED, chain_index: int = 0) -> None:
        for index in indexes:
            self.recorder.add(MessageResult(index, 1, outcome, 1, chain_index))
        await self.settle()

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)


@pytest.fixture
async def scene(redis: Redis) -> RecorderScene:
    return RecorderScene(redis)


async def test_results_of_a_moment_are_written_as_one_group(scene: RecorderScene) -> None:
    await scene.add(0)
    await scene.clock.advance(0.03)
    await scene.add(1)
    assert scene.leases.groups == []
    await scene.clock.advance(0.011)
    assert scene.leases.groups == [[0, 1]]


@pytest.mark.parametrize(("count", "groups"), [(199, 0), (200, 1), (201, 1)])
async def test_two_hundred_results_are_written_at_once(scene: RecorderScene, count: int, groups: int) -> None:
    await scene.add(*range(count))
    assert len(scene.leases.groups) == groups
    await scene.clock.advance(0.05)
    assert sum(map(len, scene.leases.groups)) == count


@pytest.mark.parametrize("verdict", [Verdict.THROTTLED, Verdict.BRAKE])
async def test_a_result_that_every_message_would_get_is_written_at_once_also_as_the_first(
    scene: RecorderScene, verdict: Verdict
) -> None:
    await scene.add(0, outcome=Outcome(verdict, 429))
    assert scene.leases.groups == [[0]]


async def test_a_stop_writes_at_once(scene: RecorderScene) -> None:
    scene.run.stop(grace_s=5)
    await scene.add(0)
    assert scene.leases.groups == [[0]]


async def test_a_lost_lease_writes_nothing_more_and_every_result_is_counted(scene: RecorderScene) -> None:
    await scene.add(0)
    scene.run.forbid_writes(BatchEnd.LEASE_LOST)
    await scene.add(1)
    await scene.clock.advance(0.05)
    assert len(scene.leases.groups) <= 1
    await scene.add(2)
    assert all(2 not in group for group in scene.leases.groups)
    assert scene.recorder.counts == {"accepted": 3}


async def test_a_ledger_that_says_that_the_lease_is_lost_ends_the_run(scene: RecorderScene) -> None:
    def lost() -> None:
        raise LeaseLost(BatchRef(SENDER, CAMPAIGN, 0))

    scene.leases.before = lost
    await scene.add(0)
    await scene.clock.advance(0.05)
    assert not scene.run.may_write
    assert scene.run.unexpected is None


async def test_an_unexpected_error_in_one_group_does_not_keep_the_next_one_unwritten(scene: RecorderScene) -> None:
    def break_once() -> None:
        scene.leases.before = lambda: None
        scene.recorder.add(MessageResult(1, 1, ACCEPTED, 1, 0))
        raise KeyError

    scene.leases.before = break_once
    await scene.add(0)
    await scene.clock.advance(0.05)
    await scene.clock.advance(0.05)
    assert scene.leases.groups == [[0], [1]]
    assert isinstance(scene.run.unexpected, KeyError)


async def test_each_result_gives_one_permit_back(scene: RecorderScene) -> None:
    await scene.add(0, 1, 2)
    assert scene.context.capacity.free == 13
    await scene.clock.advance(0.05)


async def test_the_recorder_is_idle_when_every_expected_result_came_and_is_written(scene: RecorderScene) -> None:
    await scene.add(*range(999))
    await scene.clock.advance(0.05)
    assert not scene.recorder.is_idle
    await scene.add(999)
    assert not scene.recorder.is_idle
    await scene.clock.advance(0.05)
    assert scene.recorder.is_idle


@pytest.mark.parametrize(
    ("outcome", "has_pending_again"),
    [(ACCEPTED, False), (Outcome(Verdict.REJECTED, 2054), False), (Outcome(Verdict.NOT_SENT, 2), True), (None, True)],
)
async def test_the_recorder_knows_whether_messages_are_pending_again(
    scene: RecorderScene, outcome: Outcome | None, has_pending_again: bool
) -> None:
    await scene.add(0, outcome=outcome)
    assert not scene.recorder.has_pending_again
    await scene.clock.advance(0.05)
    assert scene.recorder.has_pending_again is has_pending_again


async def test_a_refused_account_brakes_the_provider_that_refused_it(scene: RecorderScene) -> None:
    await scene.add(0, outcome=Outcome(Verdict.BRAKE, 2070, scope=BrakeScope.PROVIDER), chain_index=1)
    assert scene.braked == ["second"]
    assert scene.leases.groups == [[0]]


@pytest.mark.parametrize("refused_first", [True, False])
async def test_outcomes_of_two_providers_that_come_together_are_told_apart(rig: WorkerRig, refused_first: bool) -> None:
    await rig.submit(2, fallbacks=["second"])
    (ref,) = await rig.issue()
    lease = await rig.leases.take(ref)
    assert lease
    first = await rig.leases.open_block(lease, max_messages=1, operation=new_operation())
    await rig.control.brake_provider(SENDER, "times", "for a moment")
    second = await rig.leases.open_block(lease, max_messages=1, operation=new_operation())
    await rig.control.resume_sender(SENDER)
    assert isinstance(first, Block)
    assert isinstance(second, Block)

    context = worker_context(rig.redis, clock=SYSTEM_CLOCK)
    recorder, run = _recorder(context, lease, await rig.leases.plan(SENDER, CAMPAIGN))
    recorder.expect_results(2)
    not_sent = MessageResult(0, first.number, Outcome(Verdict.NOT_SENT, 2, reason="refused"), 1, first.chain_index)
    accepted = MessageResult(1, second.number, Outcome(Verdict.ACCEPTED, 200), 1, second.chain_index)
    for pushed in (not_sent, accepted) if refused_first else (accepted, not_sent):
        recorder.add(pushed)
    await run.wait_while(lambda: not recorder.is_idle)
    # A push that the second provider accepts does not end the back-off of the first.
    assert [held.provider for held in (await rig.queries.sender(SENDER)).unavailable] == ["times"]
    assert await rig.states() == "pa"
    await rig.leases.release(lease)
