from collections import Counter
from typing import Any

import pytest

from tests.kit.sandbox import correlation_id
from times_dispatch.sandbox import ReportsConfig
from times_dispatch.sandbox.delivery_reports.reports import Event, Origin, ReportPlan, plan
from times_dispatch.sandbox.seeded_random import SeededRandom

QUIET = {"failed": 0.0, "early": 0.0, "duplicated": 0.0, "clicked": 0.0, "replied": 0.0}


def plans(count: int = 400, seed: int = 1, **config: Any) -> list[ReportPlan]:
    return [plan(correlation_id(n), ReportsConfig(**{**QUIET, **config}), SeededRandom(seed)) for n in range(count)]


def events(planned: list[ReportPlan]) -> Counter[Event]:
    return Counter(row.event for item in planned for row in [*item.early, *(row for _, row in item.later)])


def test_a_plan_depends_on_the_seed_and_the_id_alone() -> None:
    everything: dict[str, Any] = {
        "failed": 0.3,
        "early": 0.3,
        "duplicated": 0.3,
        "clicked": 0.3,
        "forged": 0.3,
        "foreign": 0.3,
    }
    config, seeded_random = ReportsConfig(**{**QUIET, **everything}), SeededRandom(1)
    backwards = [plan(correlation_id(n), config, seeded_random) for n in reversed(range(50))]
    assert plans(50, **everything) == backwards[::-1]
    assert plans(50, **everything) != plans(50, seed=2, **everything)


def test_without_oddities_every_message_is_delivered_once_within_its_time() -> None:
    planned = plans(delay_min_ms=100, delay_max_ms=300)
    assert events(planned) == {Event.DELIVERED: 400}
    delays = [delay_s for one in planned for delay_s, _ in one.later]
    assert 0.1 <= min(delays) < 0.12
    assert 0.28 < max(delays) <= 0.3


@pytest.mark.parametrize(("share", "at_least", "at_most"), [(0.0, 0, 0), (0.25, 60, 140), (1.0, 400, 400)])
def test_shares_are_kept(share: float, at_least: int, at_most: int) -> None:
    assert at_least <= events(plans(failed=share))[Event.FAILED] <= at_most
    assert at_least <= 400 - sum(events(plans(missing=share)).values()) <= at_most
    assert at_least <= sum(events(plans(duplicated=share)).values()) - 400 <= at_most
    assert at_least <= events(plans(contradicted=share))[Event.FAILED] <= at_most
    assert at_least <= events(plans(clicked=share))[Event.CLICKED] <= at_most
    assert at_least <= events(plans(replied=share))[Event.REPLIED] <= at_most
    assert at_least <= sum(len(one.early) for one in plans(early=share)) <= at_most


def test_failure_codes_keep_their_weights() -> None:
    codes = Counter(row.code for one in plans(failed=1.0, failed_codes={"901": 3, "919": 1}) for _, row in one.later)
    assert set(codes) == {"901", "919"}
    assert 240 <= codes["901"] <= 360


def test_only_what_was_delivered_is_clicked() -> None:
    assert events(plans(failed=1.0, clicked=1.0, replied=1.0)) == {Event.FAILED: 400}


def test_a_forgery_differs_in_one_character_anywhere() -> None:
    indexes = set()
    for n, one in enumerate(plans(forged=1.0)):
        (forged,) = [row.meta for _, row in one.later if row.origin is Origin.FORGED]
        differing = [index for index, (a, b) in enumerate(zip(forged, correlation_id(n), strict=True)) if a != b]
        assert len(differing) == 1
        indexes.update(differing)
    assert indexes == set(range(32))


def test_foreign_reports_name_no_message_of_ours() -> None:
    foreign = {row.meta for one in plans(foreign=1.0) for _, row in one.later if row.origin is Origin.FOREIGN}
    assert len(foreign) == 400
    assert not foreign & {correlation_id(n) for n in range(400)}
