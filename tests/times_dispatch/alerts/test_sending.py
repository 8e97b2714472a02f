"""Alerts about messages that cannot be sent: values just below and at each limit, and the texts."""

import msgspec
import pytest

from tests.kit.observation import NOW_MS, campaign_view, observation, processes, sender_view
from times_dispatch.alerts.observation import BudgetUse
from times_dispatch.alerts.sending import (
    braked_campaigns,
    differing_clocks,
    forwarding_behind,
    full_memory,
    missing_processes,
    reports_behind,
    spent_budgets,
    unavailable_providers,
)
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.monitoring.health import Memory
from times_dispatch.ledger.monitoring.heartbeats import HeartbeatRecord, ProcessKind
from times_dispatch.ledger.reports.forward_backlog import ForwardBacklog
from times_dispatch.ledger.reports.report_backlog import Backlog
from times_dispatch.ledger.sender_view import UnavailableProvider
from times_dispatch.ledger.states import CampaignState
from times_dispatch.settings.tables.alerts import AlertSettings

RULES = AlertSettings()


def provider(*, brake: str = "", until_ms: int = 0, why: str = "") -> UnavailableProvider:
    return UnavailableProvider(provider="times", brake=brake, backing_off_until_ms=until_ms, backing_off_why=why)


def test_workers_and_beat_are_missed_and_nothing_else() -> None:
    assert list(missing_processes(observation())) == []
    seen = {"worker": NOW_MS - 3_600_000}
    worker, beat = missing_processes(observation(processes=processes(seen=seen)))
    assert (worker.id, beat.id) == ("no_worker:worker", "no_worker:beat")
    assert worker.text.startswith("no worker since 18:43: nothing is sent; start one: celery -A workers.app")
    assert beat.text.startswith("no beat has run yet: no campaign starts or ends by its time")


@pytest.mark.parametrize(("oldest_s", "subjects"), [(299.9, []), (300, ["backlog"])])
def test_reports_that_wait_for_five_minutes_are_a_condition(oldest_s: float, subjects: list[str]) -> None:
    found = list(reports_behind(observation(backlog=Backlog(1_200, oldest_s)), RULES))
    assert [condition.subject for condition in found] == subjects
    assert [condition.text for condition in found] == [
        "1,200 posts of delivery reports wait, the oldest for 5m: start reconcilers"
    ] * len(subjects)


@pytest.mark.parametrize(("oldest_s", "subjects"), [(899.9, []), (900, ["forward"])])
def test_copies_that_wait_for_fifteen_minutes_are_a_condition(oldest_s: float, subjects: list[str]) -> None:
    found = list(forwarding_behind(observation(forward=ForwardBacklog(events=1_200, oldest_s=oldest_s)), RULES))
    assert [condition.subject for condition in found] == subjects
    words = "1,200 copies of reports wait to be forwarded, the oldest for 15m: look at the other system"
    assert [condition.text.partition(", and whether")[0] for condition in found] == [words] * len(subjects)


def test_only_a_receiver_or_reconciler_that_once_ran_is_missed() -> None:
    assert list(reports_behind(observation(), RULES)) == []
    seen = processes(seen={"receiver": NOW_MS, "reconciler": NOW_MS})
    assert [condition.subject for condition in reports_behind(observation(processes=seen), RULES)] == [
        "receiver",
        "reconciler",
    ]
    both = processes(ProcessKind.RECEIVER, ProcessKind.RECONCILER, seen={"receiver": 1, "reconciler": 1})
    assert list(reports_behind(observation(processes=both), RULES)) == []


def test_a_braked_campaign_is_a_condition_with_its_reason_and_a_paused_one_is_none() -> None:
    braked = campaign_view(CampaignState.BRAKED, reason="wrong price for +91-98765-43210")
    paused = campaign_view(CampaignState.PAUSED, reason="lunch")
    (condition,) = braked_campaigns(observation(live=[braked, paused]))
    assert (condition.id, condition.sender) == ("braked:campaign:diwali01", "TIMESM")
    assert condition.text == (
        "campaign diwali01 (diwali-sale) of sender TIMESM is braked: wrong price for …; "
        "when that is fixed: dispatch resume diwali01"
    )


def test_a_brake_and_a_back_off_are_conditions_of_their_sender() -> None:
    braked = sender_view(unavailable=[provider(brake="insufficient balance (6001)", until_ms=5, why="refused")])
    (condition,) = unavailable_providers(observation(senders=[braked]))
    assert condition.id == "braked:provider:TIMESM:times"
    assert condition.text == (
        "provider times is braked for sender TIMESM: insufficient balance (6001); "
        "when that is fixed: dispatch sender resume TIMESM"
    )
    away = sender_view(unavailable=[provider(until_ms=5, why="connection refused")])
    (condition,) = unavailable_providers(observation(senders=[away]))
    assert condition.id == "provider_away:TIMESM:times"
    assert condition.text.startswith("sender TIMESM backs off from provider times: connection refused; ")
    assert list(unavailable_providers(observation(senders=[sender_view()]))) == []


def test_missing_reports_are_a_condition_of_their_sender_unless_the_sender_backs_off_anyway() -> None:
    silent = UnavailableProvider(
        provider="times",
        brake="",
        backing_off_until_ms=0,
        backing_off_why="",
        silent_since_ms=5,
        silent_why="no delivery report for 6m",
    )
    (condition,) = unavailable_providers(observation(senders=[sender_view(unavailable=[silent])]))
    assert condition.id == "silence:TIMESM:times"
    assert condition.text == (
        "promotional messages of sender TIMESM are held back from provider times: no delivery report for 6m; "
        "look at the receiver, the proxy before it and the provider's dashboard; they go on by themselves when "
        "reports come, or at once with: dispatch sender resume TIMESM"
    )
    away = msgspec.structs.replace(silent, backing_off_until_ms=9)
    (condition,) = unavailable_providers(observation(senders=[sender_view(unavailable=[away])]))
    assert condition.id == "provider_away:TIMESM:times"


@pytest.mark.parametrize(("parts", "count"), [(79, 0), (80, 1), (100, 1)])
def test_a_budget_is_a_condition_from_80_percent_on(parts: int, count: int) -> None:
    budgets = {CampaignId("diwali01"): BudgetUse(parts_out=parts, max_parts=100)}
    live = [campaign_view(CampaignState.RUNNING)]
    senders = [sender_view(max_parts_per_day=100, parts_today=parts)]
    found = list(spent_budgets(observation(live=live, budgets=budgets, senders=senders), RULES))
    assert [condition.id for condition in found] == ["budget:campaign:diwali01", "budget:sender:TIMESM"][: 2 * count]
    if count:
        assert f"has spent {parts} % of its budget".replace(" %", "%") in found[0].text
        assert found[0].text.endswith("raise it with: dispatch budget diwali01")
        assert found[1].text.endswith(
            "wait until midnight in India; to send more today, raise max_parts_per_day or max_money_per_day in the "
            "settings"
        )


def test_campaigns_and_senders_without_a_budget_are_no_condition() -> None:
    now = observation(live=[campaign_view(CampaignState.RUNNING)], senders=[sender_view(parts_today=9)])
    assert list(spent_budgets(now, RULES)) == []


@pytest.mark.parametrize(("used", "max_bytes", "count"), [(799, 1_000, 0), (800, 1_000, 1), (800, 0, 0)])
def test_memory_is_a_condition_from_80_percent_of_its_limit_on(used: int, max_bytes: int, count: int) -> None:
    assert len(list(full_memory(observation(memory=Memory(used, max_bytes)), RULES))) == count


def test_clocks_that_differ_are_a_condition_of_redis_and_of_the_hosts() -> None:
    warning = "Redis: its clock is 300 s ahead of this host's"
    seen = processes(ProcessKind.WORKER, ProcessKind.BEAT)
    assert list(differing_clocks(observation(processes=seen))) == []
    worker, beat = seen.processes
    silent = HeartbeatRecord(kind=ProcessKind.BEAT, version="1", host="web2", pid=8, started_ms=0)
    seen.processes[:] = [
        msgspec.structs.replace(worker, ahead_s=-61.5),
        msgspec.structs.replace(beat, record=silent, ahead_s=61.5, silent_s=9_000),
    ]
    redis, hosts = differing_clocks(observation(processes=seen, clock_warnings=[warning]))
    assert (redis.id, redis.text) == ("clocks:redis", warning)
    assert hosts.id == "clocks:hosts"
    assert hosts.text == "the clocks of Redis and of web1 differ by more than a minute: set the wrong clock"


def test_the_condition_of_the_clocks_names_few_of_many_hosts() -> None:
    seen = processes(ProcessKind.WORKER)
    [worker] = seen.processes
    seen.processes[:] = [
        msgspec.structs.replace(
            worker, ahead_s=90, record=msgspec.structs.replace(worker.record, host=f"web{number:03}" + "x" * 300)
        )
        for number in range(1_000)
    ]
    [hosts] = differing_clocks(observation(processes=seen))
    assert "web004" in hosts.text
    assert "web005" not in hosts.text
    assert ", 995 more hosts differ by more than a minute" in hosts.text
    assert len(hosts.text) < 1_200
