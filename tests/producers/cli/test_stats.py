import json
from datetime import date, datetime, timedelta

import pytest
from redis import Redis as SyncRedis

from tests.kit.producers import Run, show


def test_statistics_are_printed_as_tables_as_json_and_as_csv(run: Run) -> None:
    run("optout", "add", "9000000001")
    campaign = json.loads(run("submit", "campaign.toml", "--recipients", "customers.csv", "--json").stdout)["campaign"]
    program = json.loads(run("stats", "--json").stdout)
    assert program["states"] == {"suppressed": 1}
    assert {"reason": "on the opt-out list", "messages": 1, "parts": 1, "cost_rupees": "0"} in program["kept_back"]
    (day,) = program["rows"]
    assert "on the opt-out list" in run("stats").stdout
    assert "not sent" in run("stats", "--campaign", campaign).stdout
    heading, row = run("stats", "--by", "sender", "--csv").stdout.splitlines()
    assert heading.startswith("sender,sent,delivered,errors,")
    assert row.startswith("TIMESM,0,0,0,")
    assert json.loads(run("stats", "--day", day, "--json").stdout)["rows"][day]["states"] == {"suppressed": 1}
    assert json.loads(run("stats", "--until", "2020-01-01", "--json").stdout)["rows"] == {}
    since = (date.fromisoformat(day) - timedelta(days=9)).isoformat()
    average = {"days": 10, "sent": 0.0, "delivered": 0.0, "clicked": 0.0, "errors": 0.0}
    assert json.loads(run("stats", "--since", since, "--until", day, "--json").stdout)["daily_average"] == average
    shown = run("stats", "--since", since, "--until", day).stdout
    assert "a day on average over 10 days: 0 sent, 0 delivered, 0 clicked, 0 errors" in shown
    assert json.loads(run("stats", "--by", "sender", "--json").stdout)["daily_average"] == {}


def test_the_daily_average_fits_a_narrow_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"FORCE_COLOR": "1", "NO_COLOR": "1", "COLUMNS": "60"}.items():
        monkeypatch.setenv(name, value)
    run("optout", "add", "9000000001")
    run("submit", "campaign.toml", "--recipients", "customers.csv", "--json")
    lines = run("stats", "--since", "2026-01-01", "--until", "2026-12-31").stdout.splitlines()
    [first] = [line for line in lines if line.startswith("a day on average")]
    assert len(first) <= 60


def test_show_and_stats_give_the_same_numbers(run: Run, submitted: str) -> None:
    statistics = json.loads(run("stats", "--campaign", submitted, "--json").stdout)
    assert show(run, submitted)["statistics"] == statistics


def test_a_recount_says_that_all_counters_are_right(run: Run, submitted: str) -> None:
    recounted = run("stats", "--recount")
    assert recounted.exit_code == 0
    assert recounted.stdout == "3 messages of 1 campaign recounted\nall counters are equal to the recount\n"
    assert json.loads(run("stats", "--recount", "--json").stdout)["differences"] == []


def test_a_recount_names_a_counter_that_is_wrong_and_exits_with_1(run: Run, submitted: str, redis_url: str) -> None:
    with SyncRedis.from_url(redis_url) as redis:
        redis.hset(f"{{TIMESM}}:c:{submitted}:statistics", "d", 2)
    recounted = run("stats", "--recount")
    assert recounted.exit_code == 1
    assert f"campaign {submitted}: d is counted 2, and the records say 0\n1 difference\n" in recounted.stdout


def test_a_campaign_goes_with_no_other_choice(run: Run, submitted: str) -> None:
    refused = run("stats", "--campaign", submitted, "--sender", "TIMESM")
    assert refused.exit_code == 2
    assert "--campaign cannot be combined with another choice" in refused.stderr


def test_a_chain_counts_each_recipient_of_a_campaign_and_its_resends_once(run: Run, submitted: str) -> None:
    shown = run("stats", "--campaign", submitted, "--chain")
    assert shown.exit_code == 0
    assert shown.stdout.splitlines() == [
        f"campaigns   {submitted}",
        "recipients  3",
        "sent to     0",
        "delivered   0, nothing sent",
        "cost        Rs 0.00, 0 parts",
    ]
    assert json.loads(run("stats", "--campaign", submitted, "--chain", "--json").stdout) == {
        "campaigns": [submitted], "recipients": 3, "sent": 0, "delivered": 0, "parts": 0, "cost_rupees": "0",
    }  # fmt: skip
    for wrong in (("--chain",), ("--campaign", submitted, "--chain", "--csv"), ("--recount", "--chain")):
        assert run("stats", *wrong).exit_code == 2


@pytest.mark.usefixtures("submitted")
def test_days_are_given_as_in_reports(run: Run) -> None:
    run("optout", "add", "9000000001")
    for days in (["--since", "7d"], ["--since", "yesterday", "--until", "today"], ["--since", "2020-1-5"]):
        done = run("stats", *days)
        assert done.exit_code == 0, done.output
    refused = run("stats", "--day", "tomorrow")
    assert refused.exit_code == 2
    assert "'tomorrow' is no day; write 2026-11-26, today, yesterday or 7d" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("stats", "--since", "2026-11-28", "--until", "2026-11-27"),
            "--until 2026-11-27 comes before --since 2026-11-28",
        ),
        (("report", "--since", "today", "--until", "yesterday", "--out", "x.csv"), "comes before --since"),
        (("stats", "--day", "today", "--since", "today"), "--day cannot be combined with --since or --until"),
        (("stats", "--json", "--csv"), "--json and --csv cannot be combined"),
    ],
)
def test_options_that_exclude_each_other_are_refused(run: Run, arguments: tuple[str, ...], said: str) -> None:
    refused = run(*arguments)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert said in refused.stderr


@pytest.mark.usefixtures("submitted")
@pytest.mark.parametrize("command", ["stats", "audit"])
def test_an_unknown_sender_is_named_beside_an_empty_answer(run: Run, command: str) -> None:
    note = "note: sender TIMSEM: the ledger has no sender of this name; did you mean TIMESM?\n"
    done = run(command, "--sender", "TIMSEM")
    assert (done.exit_code, done.stderr) == (0, note)
    assert run(command, "--sender", "TIMESM").stderr == ""


def test_the_course_is_shown_by_the_hour_and_by_the_minute(run: Run, submitted: str, redis_url: str) -> None:
    with SyncRedis.from_url(redis_url) as redis:
        minute = (int(redis.time()[0]) + 19_800) // 60 - 1
        hour, day = minute // 60, minute // 1_440
        redis.hset(f"{{TIMESM}}:minutes:{hour}", mapping={f"{minute % 60}s": 7, f"{minute % 60}e": 2})
        redis.zadd("{TIMESM}:statistics", {f"{day}:times:greeting": day})
        redis.hset(f"{{TIMESM}}:statistics:{day}:times:greeting", mapping={f"h{hour % 24}s": 9, f"h{hour % 24}c": 1})
    began = datetime(1970, 1, 1) + timedelta(minutes=minute)  # noqa: DTZ001  # counted in India
    row = {"sent": 7, "delivered": 0, "errors": 2, "clicked": 0}
    of_minute = {"by": "minute", "rows": {f"{began:%Y-%m-%d %H:%M}": row}}
    assert json.loads(run("stats", "--by", "minute", "--json").stdout) == of_minute
    assert json.loads(run("stats", "--by", "minute", "--sender", "TIMESM", "--json").stdout) == of_minute
    assert json.loads(run("stats", "--by", "minute", "--day", f"{began:%Y-%m-%d}", "--json").stdout) == of_minute
    for days in (["--until", "2020-01-01"], ["--since", f"{began + timedelta(days=2):%Y-%m-%d}"]):
        assert json.loads(run("stats", "--by", "minute", *days, "--json").stdout)["rows"] == {}
    assert run("stats", "--by", "minute", "--csv").stdout.splitlines() == [
        "minute,sent,delivered,errors,clicked",
        f"{began:%Y-%m-%d %H:%M},7,0,2,0",
    ]
    by_hour = json.loads(run("stats", "--by", "hour", "--json").stdout)["rows"]
    assert by_hour[f"{began:%Y-%m-%d %H}:00"] == {"sent": 9, "delivered": 0, "errors": 0, "clicked": 1}
    assert f"{began:%Y-%m-%d %H}:00" in run("stats", "--by", "hour").stdout
    for choice in (["--campaign", submitted], ["--provider", "times"], ["--template", "greeting"]):
        refused = run("stats", "--by", "minute", *choice)
        assert (refused.exit_code, refused.stdout) == (2, "")
        assert "--by minute counts whole senders" in refused.stderr
