"""Each verdict of a soak can fail."""

from collections import Counter
from collections.abc import Mapping

import pytest

from tests.soak.key_kinds import STUB
from tests.soak.sampling import KeySample, ProcessSample
from tests.soak.table import growth_line
from tests.soak.verdict import GrowthRow, growing_kinds, kept_row, process_rows

MINUTES = 60


def samples(leak: Mapping[str, float] | None = None, *, life_s: int = 0) -> list[ProcessSample]:
    """Return samples of a process, one every five seconds.

    Args:
        leak: the growth per minute of each measure.
        life_s: seconds after which the process is killed and started again; 0 for never.
    """
    grown = {"pss_mb": 0.0, "handles": 0.0, "connections": 0.0, "inbound": 0.0, "threads": 0.0, **(leak or {})}
    return [
        ProcessSample(
            at_s=at,
            pid=at // life_s if life_s else 1,
            age_s=at % life_s if life_s else at,
            pss_mb=80 + grown["pss_mb"] * at / 60,
            handles=int(30 + grown["handles"] * at / 60),
            connections=int(10 + grown["connections"] * at / 60),
            inbound=int(grown["inbound"] * at / 60),
            threads=int(12 + grown["threads"] * at / 60),
        )
        for at in range(0, MINUTES * 60, 5)
    ]


def growing(taken: list[ProcessSample], process: str = "worker") -> set[str]:
    return {row.name for row in process_rows(process, taken) if row.trend and row.trend.grows}


def test_a_steady_process_grows_in_nothing() -> None:
    assert growing(samples()) == set()


@pytest.mark.parametrize(
    ("leak", "name"),
    [
        ({"pss_mb": 0.4}, "worker: memory, MB"),
        ({"handles": 1.0}, "worker: file handles"),
        ({"connections": 1.0}, "worker: connections"),
        ({"threads": 0.2}, "worker: threads"),
    ],
)
def test_a_leak_of_a_process_is_seen(leak: dict[str, float], name: str) -> None:
    assert growing(samples(leak)) == {name}


def test_connections_that_clients_opened_are_shown_and_not_judged() -> None:
    taken = samples({"inbound": 2.0})
    assert growing(taken, "receiver") == set()
    shown = {row.name: row.trend for row in process_rows("receiver", taken)}["receiver: inbound connections"]
    assert shown
    assert shown.end > shown.start + 30
    assert growth_line(GrowthRow("inbound", shown)).endswith(" |  | not judged |")


def test_a_process_without_inbound_connections_has_no_row_for_them() -> None:
    assert "worker: inbound connections" not in {row.name for row in process_rows("worker", samples())}


def test_only_a_worker_may_open_the_files_of_its_broker_connections() -> None:
    opened = {"handles": 0.25}  # fifteen files in the run, as many as five connections need
    assert growing(samples(opened)) == set()
    assert growing(samples(opened), "links") == {"links: file handles"}


def test_a_process_that_is_killed_again_and_again_is_compared_at_the_same_age() -> None:
    # Each new process begins with more memory than the process before it, because the loaded data grows.
    assert growing(samples({"pss_mb": 0.4}, life_s=150)) == {"worker at the same age: memory, MB"}
    assert growing(samples(life_s=150)) == set()


def test_a_process_that_lived_for_a_short_time_has_no_verdict() -> None:
    assert [row.trend for row in process_rows("worker", samples()[:60])] == [None]


def keys(kind: str, *, each_minute: int) -> list[KeySample]:
    return [
        KeySample(
            at_s=minute * 60.0,
            keys=Counter({kind: 100 + each_minute * minute, "{sender}:leases": 3}),
            bytes=Counter({kind: 100 * (100 + each_minute * minute), "{sender}:leases": 300}),
            used_bytes=5_000_000,
        )
        for minute in range(MINUTES)
    ]


def test_keys_that_stay_behind_are_seen_by_their_kind() -> None:
    assert [row.name for row in growing_kinds(keys("{sender}:lost:#", each_minute=5))] == ["keys {sender}:lost:#"]
    assert growing_kinds(keys("{sender}:lost:#", each_minute=0)) == []


def test_the_rest_of_an_archived_campaign_is_bounded() -> None:
    small, large = keys(STUB, each_minute=5), keys(STUB, each_minute=5)
    for minute, sample in enumerate(large):
        sample.bytes[STUB] = minute * 5 * 3_000
    assert growing_kinds(small) == []
    assert kept_row(small).holds
    assert not kept_row(large).holds
