"""A process records which providers give it no response, and how many messages it may open for them."""

import pytest

from tests.kit.clock import FakeClock
from times_dispatch.provider.failures import OUTCOMES, Failure
from times_dispatch.provider.outcomes import Outcome, Verdict
from times_dispatch.provider.reach import OpeningLimits, ProviderReach

CHAIN = ("times", "other")
ANSWERED = Outcome(verdict=Verdict.REJECTED, code=2054)
UNCONNECTED = OUTCOMES[Failure.CONNECT_TIMEOUT]
UNANSWERED = OUTCOMES[Failure.READ_TIMEOUT]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def reach(clock: FakeClock) -> ProviderReach:
    return ProviderReach(clock=clock)


def lose(reach: ProviderReach, clock: FakeClock, outcome: Outcome = UNCONNECTED) -> None:
    reach.note("times", [outcome])
    clock._now += 3
    reach.note("times", [outcome])
    assert reach.is_lost("times")


def test_a_provider_is_lost_after_some_seconds_of_failures_and_found_with_one_response(
    reach: ProviderReach, clock: FakeClock
) -> None:
    reach.note("times", [UNCONNECTED, None])
    clock._now += 2.9
    reach.note("times", [UNCONNECTED])
    assert not reach.is_lost("times")
    clock._now += 0.1
    reach.note("times", [None, UNCONNECTED])
    assert reach.is_lost("times")
    assert reach.has_lost.is_set()
    assert not reach.is_lost("other")
    reach.note("times", [UNCONNECTED, ANSWERED])
    assert not reach.is_lost("times")
    assert not reach.has_lost.is_set()


def test_a_provider_is_lost_at_the_second_failure_if_its_last_response_is_some_seconds_old(
    reach: ProviderReach, clock: FakeClock
) -> None:
    reach.note_response("times")
    clock._now += 6
    reach.note("times", [UNANSWERED])
    assert not reach.is_lost("times")
    reach.note("times", [UNANSWERED])
    assert reach.is_lost("times")


def test_failures_just_after_a_response_are_no_loss(reach: ProviderReach, clock: FakeClock) -> None:
    reach.note_response("times")
    clock._now += 2.9
    reach.note("times", [UNCONNECTED])
    reach.note("times", [UNCONNECTED])
    assert not reach.is_lost("times")


@pytest.mark.parametrize("outcome", [None, ANSWERED, OUTCOMES[Failure.UNREADABLE_RESPONSE]])
def test_pushes_that_never_began_or_got_a_response_are_no_failure(
    outcome: Outcome | None, reach: ProviderReach, clock: FakeClock
) -> None:
    for _ in range(3):
        reach.note("times", [outcome])
        clock._now += 3
    assert not reach.is_lost("times")


def test_failures_that_are_far_apart_are_no_loss(reach: ProviderReach, clock: FakeClock) -> None:
    reach.note("times", [UNCONNECTED])
    clock._now += 10
    reach.note("times", [UNCONNECTED])
    assert not reach.is_lost("times")


def test_a_process_without_failures_may_open_everything(reach: ProviderReach) -> None:
    assert reach.limits_of(CHAIN) == OpeningLimits((), "")
    assert not reach.is_cut_off(CHAIN)


def test_nothing_is_opened_for_a_lost_provider_until_a_connection_is_made(
    reach: ProviderReach, clock: FakeClock
) -> None:
    lose(reach, clock)
    assert reach.limits_of(["times"]) == OpeningLimits(["times"], "")
    assert reach.is_cut_off(["times"])
    assert reach.limits_of(CHAIN) == OpeningLimits(["times"], "")
    assert not reach.is_cut_off(CHAIN)
    reach.note_connection("times", is_made=True)
    assert not reach.is_cut_off(["times"])
    assert reach.limits_of(["times"]) == OpeningLimits([], "times")


def test_one_batch_at_a_time_tries_a_provider_and_leaves_an_unused_try_to_the_next(
    reach: ProviderReach, clock: FakeClock
) -> None:
    lose(reach, clock)
    reach.note_connection("times", is_made=True)
    assert reach.limits_of(["times"]).tried == "times"
    assert reach.limits_of(["times"]) == OpeningLimits(["times"], "")
    assert reach.is_cut_off(["times"])
    reach.end_try("times")
    assert reach.limits_of(["times"]).tried == "times"


def test_a_failed_try_begins_a_longer_wait_for_the_next_connection(reach: ProviderReach, clock: FakeClock) -> None:
    lose(reach, clock)
    waits = []
    for _ in range(6):
        began = clock.monotonic()
        while not reach.due():
            clock._now += 0.125
        waits.append(clock.monotonic() - began)
        reach.note_connection("times", is_made=True)
        assert reach.due() == []
        assert reach.limits_of(["times"]).tried == "times"
        reach.note("times", [UNCONNECTED])
        reach.end_try("times")
        assert reach.limits_of(["times"]).tried == ""
    assert waits == [0.5, 1, 2, 4, 4, 4]


def test_the_waits_between_messages_that_may_come_to_be_in_doubt_grow_longer(
    reach: ProviderReach, clock: FakeClock
) -> None:
    lose(reach, clock, UNANSWERED)
    waits = []
    for _ in range(8):
        began = clock.monotonic()
        while not reach.due():
            clock._now += 0.5
        waits.append(clock.monotonic() - began)
        reach.note_connection("times", is_made=True)
        assert reach.limits_of(["times"]).tried == "times"
        reach.note("times", [UNANSWERED])
        reach.end_try("times")
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30]


def test_a_connection_that_cannot_be_made_is_tried_again_after_at_most_four_seconds(
    reach: ProviderReach, clock: FakeClock
) -> None:
    lose(reach, clock, UNANSWERED)
    for _ in range(9):
        reach.note_connection("times", is_made=False)
    assert reach.due() == []
    clock._now += 4
    assert reach.due() == ["times"]


def test_late_failures_of_pushes_that_began_before_the_loss_lengthen_no_wait(
    reach: ProviderReach, clock: FakeClock
) -> None:
    lose(reach, clock)
    for _ in range(20):
        reach.note("times", [UNCONNECTED])
    clock._now += 0.5
    assert reach.due() == ["times"]


def test_a_connection_to_a_provider_that_is_not_lost_changes_nothing(reach: ProviderReach) -> None:
    reach.note_connection("times", is_made=False)
    reach.end_try("times")
    assert reach.limits_of(CHAIN) == OpeningLimits((), "")
