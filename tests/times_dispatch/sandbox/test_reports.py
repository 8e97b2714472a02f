from collections import Counter
from typing import Any

import orjson
import pytest

from tests.kit.sandbox import correlation_id
from times_dispatch.sandbox import ReportsConfig, report_body
from times_dispatch.sandbox.reports import Event, Origin, ReportPlan, ReportRow, plan
from times_dispatch.sandbox.seeded_random import SeededRandom, pick

QUIET = {"failed": 0.0, "early": 0.0, "duplicated": 0.0, "clicked": 0.0, "replied": 0.0}


def plans(count: int = 400, seed: int = 1, **config: Any) -> list[ReportPlan]:
    return [plan(correlation_id(n), ReportsConfig(**{**QUIET, **config}), SeededRandom(seed)) for n in range(count)]


def events(planned: list[ReportPlan]) -> Counter[Event]:
    return Counter(row.event for one in planned for row in [*one.early, *(row for _, row in one.later)])


def test_a_plan_depends_on_the_seed_and_the_id_alone() -> None:
    everything: dict[str, Any] = {
        "failed": 0.3,
        "early": 0.3,
        "duplicated": 0.3,
        "clicked": 0.3,
        "forged": 0.3,
        "foreign": 0.3,
    }
    config, chance = ReportsConfig(**{**QUIET, **everything}), SeededRandom(1)
    backwards = [plan(correlation_id(n), config, chance) for n in reversed(range(50))]
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
    places = set()
    for n, one in enumerate(plans(forged=1.0)):
        (forged,) = [row.meta for _, row in one.later if row.origin is Origin.FORGED]
        differing = [place for place, (a, b) in enumerate(zip(forged, correlation_id(n), strict=True)) if a != b]
        assert len(differing) == 1
        places.update(differing)
    assert places == set(range(32))


def test_foreign_reports_name_no_message_of_ours() -> None:
    foreign = {row.meta for one in plans(foreign=1.0) for _, row in one.later if row.origin is Origin.FOREIGN}
    assert len(foreign) == 400
    assert not foreign & {correlation_id(n) for n in range(400)}


def test_a_body_groups_rows_by_event() -> None:
    rows = [
        ReportRow(Event.DELIVERED, "a"),
        ReportRow(Event.FAILED, "b", "901"),
        ReportRow(Event.DELIVERED, "c"),
        ReportRow(Event.REPLIED, "d"),
    ]
    body = orjson.loads(report_body.encode(rows, now_s=1_700_000_000))
    assert [(group["event"], [row["meta"] for row in group["data"]]) for group in body] == [
        ("delivered", ["a", "c"]),
        ("failed", ["b"]),
        ("replied", ["d"]),
    ]
    assert body[1]["data"][0]["code"] == "901"
    assert all(row["ts"] == 1_700_000_000 for group in body for row in group["data"])
    assert body[2]["data"][0]["incomingText"]


def test_odd_rows_come_in_every_odd_shape() -> None:
    odd = [ReportRow(Event.FAILED, meta, "901", odd=True) for meta in "ab"] + [ReportRow(Event.REPLIED, "c", odd=True)]
    body = orjson.loads(report_body.encode(odd, now_s=1_700_000_000))
    assert [group["event"] for group in body] == ["failed_dnd", "replied"]
    assert {row["ts"] for row in body[0]["data"]} == {"1700000000", 1_700_000_000_000}
    assert "incomingMessage" in body[1]["data"][0]
    assert isinstance(orjson.loads(report_body.encode(odd[:1], now_s=1)), dict)


def test_picking_goes_by_weight_up_to_the_last_draw() -> None:
    weights = {"a": 1, "b": 3}
    assert [pick(weights, draw) for draw in (0.0, 0.2499, 0.25, 1 - 2**-32)] == ["a", "a", "b", "b"]
