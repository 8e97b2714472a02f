"""A process notes which providers give it no response."""

import pytest

from tests.kit.clock import FakeClock
from times_dispatch.provider.failures import OUTCOMES, Failure
from times_dispatch.provider.outcomes import Outcome, Verdict
from times_dispatch.provider.reach import ProviderReach

ANSWERED = Outcome(verdict=Verdict.REJECTED, code=2054)
LOST = OUTCOMES[Failure.CONNECT_TIMEOUT]


def test_a_provider_is_lost_after_some_seconds_of_failures_and_found_with_one_response() -> None:
    clock = FakeClock()
    reach = ProviderReach(clock=clock)
    assert not reach.is_lost("times")
    reach.note("times", [LOST, None])
    clock._now += 2.9
    reach.note("times", [LOST])
    assert not reach.is_lost("times")
    clock._now += 0.1
    reach.note("times", [None, LOST])
    assert reach.is_lost("times")
    assert not reach.is_lost("other")
    reach.note("times", [LOST, ANSWERED])
    assert not reach.is_lost("times")


@pytest.mark.parametrize("outcome", [None, ANSWERED, OUTCOMES[Failure.UNREADABLE_RESPONSE]])
def test_pushes_that_never_began_or_got_a_response_are_no_failure(outcome: Outcome | None) -> None:
    clock = FakeClock()
    reach = ProviderReach(clock=clock)
    for _ in range(3):
        reach.note("times", [outcome])
        clock._now += 3
    assert not reach.is_lost("times")


def test_a_failure_is_forgotten_some_seconds_after_the_last_push() -> None:
    clock = FakeClock()
    reach = ProviderReach(clock=clock)
    reach.note("times", [LOST])
    clock._now += 5
    reach.note("times", [LOST])
    clock._now += 9.9
    assert reach.is_lost("times")
    clock._now += 0.1
    assert not reach.is_lost("times")


def test_after_two_batches_that_were_passed_on_the_process_tries_one_itself() -> None:
    clock = FakeClock()
    reach = ProviderReach(clock=clock)
    assert not reach.passes_on("times")
    reach.note("times", [LOST])
    clock._now += 3
    reach.note("times", [LOST])
    assert [reach.passes_on("times") for _ in range(6)] == [True, True, False, True, True, False]
