"""The page about sizes shows the results that follow from the measured costs."""

from pathlib import Path

from benchmarks.sizing import COSTS, DEMANDS, Demand, max_in_flight, memory_gb, primaries, redis_share, table, workers

_PAGE = Path(__file__).parents[2] / "docs" / "sizing.md"


def test_the_page_has_the_computed_table() -> None:
    page = _PAGE.read_text("utf-8").splitlines()
    assert [line for line in table() if line not in page] == []


def test_no_primary_is_planned_for_more_than_seventy_percent_and_a_cluster_has_three_or_more() -> None:
    for peak in range(1_000, 200_000, 1_000):
        demand = Demand("", 1_000_000, peak, 14)
        assert redis_share(demand) <= 0.7
        assert primaries(demand) == 1 or (primaries(demand) >= 3 and primaries(demand) % 2)


def test_all_pushes_of_the_peak_fit_into_the_workers_and_there_are_two_workers_at_least() -> None:
    for demand in (*DEMANDS, DEMANDS[2]._replace(answer_s=1.0)):
        in_flight = demand.peak_per_s * demand.answer_s
        assert max_in_flight(demand) * workers(demand, COSTS.worker_us) >= in_flight / 0.7
    assert workers(DEMANDS[0], COSTS.worker_us) == 2


def test_memory_is_that_of_the_days_and_of_the_caps_of_one_day() -> None:
    assert memory_gb(Demand("", 1_000_000, 500, 14)) == 0.6
