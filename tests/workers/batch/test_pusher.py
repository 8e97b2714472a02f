"""Whatever happens to a push, its message gets exactly one result."""

import asyncio
from collections.abc import Callable

import pytest

from tests.kit.clock import FakeClock
from times_dispatch.provider.failures import TOO_LATE, Failure
from times_dispatch.provider.outcomes import Outcome, Verdict
from times_dispatch.provider.push import Push
from workers.batch.batch_run import BatchRun
from workers.batch.message_result import MessageResult
from workers.batch.push_queue import QueuedPush
from workers.batch.pusher import Pusher

NOW = 1_000.0
ACCEPTED = Outcome(Verdict.ACCEPTED, 200)
MESSAGE = Push(to="919800000000", text="Dear", sender="TIMESM", content_id="1", correlation_id="x", unicode=False)


class FakeRenderer:
    def push(self, index: int, attempt: int) -> tuple[Push, int]:
        if attempt > 1:
            raise KeyError("no such column")
        return MESSAGE, 2


class FakeRecorder:
    def __init__(self) -> None:
        self.results: list[MessageResult] = []

    def add(self, pushed: MessageResult) -> None:
        self.results.append(pushed)


class FakeClient:
    def __init__(self) -> None:
        self.outcome = ACCEPTED
        self.pushed = 0
        self.hangs = False
        self.error: Exception | None = None
        self.may_begin: Callable[[], bool] = lambda: False

    async def push(self, push: Push, *, may_begin: Callable[[], bool]) -> Outcome:
        self.pushed += 1
        self.may_begin = may_begin
        if self.hangs:
            await asyncio.Event().wait()
        if self.error:
            raise self.error
        return self.outcome


class PusherScene:
    def __init__(self) -> None:
        self.client, self.recorder = FakeClient(), FakeRecorder()
        self.run = BatchRun(lease_deadline=NOW + 15, clock=FakeClock(now=NOW))
        self.pusher = Pusher(
            [self.client, None],  # type: ignore[list-item]
            renderer=FakeRenderer(),  # type: ignore[arg-type]
            recorder=self.recorder,  # type: ignore[arg-type]
            run=self.run,
        )

    def queued(self, *, attempt: int = 0, chain_index: int = 0, start_by: float = NOW + 0.75) -> QueuedPush:
        return QueuedPush(self.pusher, 7, attempt, 3, chain_index, start_by)


@pytest.fixture
def scene() -> PusherScene:
    return PusherScene()


async def test_the_outcome_is_recorded_with_our_own_count_of_parts(scene: PusherScene) -> None:
    await scene.pusher.push(scene.queued())
    assert scene.recorder.results == [MessageResult(7, 3, ACCEPTED, 2, 0)]


async def test_a_push_that_comes_too_late_is_never_begun(scene: PusherScene) -> None:
    await scene.pusher.push(scene.queued(start_by=NOW))
    assert scene.client.pushed == 0
    assert [pushed.outcome for pushed in scene.recorder.results] == [None]


async def test_a_push_that_waits_too_long_for_a_connection_is_never_begun(scene: PusherScene) -> None:
    scene.client.outcome = TOO_LATE
    await scene.pusher.push(scene.queued())
    assert [pushed.outcome for pushed in scene.recorder.results] == [None]


async def test_the_client_may_begin_until_the_batch_stops(scene: PusherScene) -> None:
    await scene.pusher.push(scene.queued())
    assert scene.client.may_begin()
    scene.run.stop()
    assert not scene.client.may_begin()


async def test_a_provider_that_this_process_does_not_know_gets_nothing(scene: PusherScene) -> None:
    await scene.pusher.push(scene.queued(chain_index=1))
    assert [(pushed.outcome, pushed.chain_index) for pushed in scene.recorder.results] == [(None, 1)]


async def test_a_push_that_is_cut_short_is_in_doubt(scene: PusherScene) -> None:
    scene.client.hangs = True
    push = asyncio.create_task(scene.pusher.push(scene.queued()))
    await asyncio.sleep(0)
    push.cancel()
    with pytest.raises(asyncio.CancelledError):
        await push
    (pushed,) = scene.recorder.results
    assert pushed.outcome
    assert (pushed.outcome.verdict, pushed.outcome.code) == (Verdict.IN_DOUBT, Failure.WORKER_LOST.value)


async def test_an_error_of_the_client_leaves_the_message_in_doubt_and_is_raised(scene: PusherScene) -> None:
    scene.client.error = Exception("unforeseen")
    with pytest.raises(Exception, match="unforeseen"):
        await scene.pusher.push(scene.queued())
    (pushed,) = scene.recorder.results
    assert pushed.outcome
    assert pushed.outcome.verdict is Verdict.IN_DOUBT


async def test_a_message_that_cannot_be_rendered_is_returned_unsent_and_the_error_is_raised(scene: PusherScene) -> None:
    with pytest.raises(KeyError):
        await scene.pusher.push(scene.queued(attempt=2))
    assert scene.recorder.results == [MessageResult(7, 3, None, 0, 0)]


def test_an_error_that_the_queue_passes_on_fails_the_batch(scene: PusherScene) -> None:
    scene.pusher.fail(error := KeyError())
    assert scene.run.unexpected is error


def test_a_message_returned_unsent_was_never_begun(scene: PusherScene) -> None:
    scene.pusher.return_unsent(scene.queued())
    assert scene.recorder.results == [MessageResult(7, 3, None, 0, 0)]
