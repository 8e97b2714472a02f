import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from redis import Redis as SyncRedis

from tests.kit.producers import CAMPAIGN, Run, WriteFile, show


def test_counts_that_do_not_add_up_are_shown_by_every_command(run: Run, submitted: str, redis_url: str) -> None:
    run("pause", submitted, "--reason", "a mistake")
    with SyncRedis.from_url(redis_url) as redis:
        redis.hincrby(f"{{TIMESM}}:c:{submitted}", "a", 1)
    breach = "the counters do not add up to the total: 3 in all, but 3 pending, 1 accepted"
    assert breach in run("list").stdout
    table, program = run("show", submitted), run("show", submitted, "--json")
    assert (table.exit_code, program.exit_code) == (1, 1)
    assert f"paused, {breach}; a mistake" in table.stdout
    assert json.loads(program.stdout)["reason"] == f"{breach}; a mistake"
    assert breach in run("watch", submitted, "--timeout", "0.1").stderr
    resumed = run("resume", submitted)
    assert (resumed.exit_code, resumed.stderr) == (1, f"campaign {submitted} is running: {breach}\n")


def test_campaigns_are_listed_and_shown(run: Run, submitted: str) -> None:
    (listed,) = json.loads(run("list", "--json").stdout)
    assert listed["id"] == submitted
    assert submitted in run("list").stdout
    table = run("show", submitted).stdout
    assert "pending" in table
    counts = show(run, submitted)
    assert counts["total"] == 3


def test_show_counts_and_exports_suppressed_messages_with_the_reason(run: Run) -> None:
    run("optout", "add", "9000000001")
    submitted = run("submit", "campaign.toml", "--recipients", "customers.csv", "--json")
    campaign = json.loads(submitted.stdout)["campaign"]

    answer = json.loads(run("show", campaign, "--json").stdout)
    shown = run("show", campaign, "--export", "suppressed", "suppressed.csv", "--numbers")
    table = run("show", campaign).stdout

    assert (answer["codes"], answer["suppressed"]) == ({"suppressed:31": 1}, {"on the opt-out list": 1})
    assert answer["counters_add_up"]
    assert re.search(r"suppressed 31 +1 +on the opt-out list", table)
    assert shown.exit_code == 0
    heading, row = Path("suppressed.csv").read_text("utf-8-sig").splitlines()
    assert heading.endswith(",code")
    assert ",919000000001," in row
    assert row.endswith(",31")


def test_only_a_file_of_exported_rows_begins_with_a_byte_order_mark(run: Run, submitted: str) -> None:
    assert run("show", submitted, "--export", "pending", "pending.csv").exit_code == 0
    assert Path("pending.csv").read_bytes().startswith(b"\xef\xbb\xbfline,to,")
    assert run("show", submitted, "--export", "pending", "-").stdout.startswith("line,to,")


def test_exported_numbers_are_masked_unless_whole_numbers_are_asked_for(run: Run, submitted: str) -> None:
    def column(*options: str) -> list[str]:
        rows = run("show", submitted, "--export", "pending", "-", *options).stdout.splitlines()[1:]
        return [row.split(",")[1] for row in rows]

    assert all(re.fullmatch(r"\d{4}\*+\d{3}", number) for number in column())
    assert all(re.fullmatch(r"91\d{10}", number) for number in column("--numbers"))
    refused = run("show", submitted, "--numbers")
    assert (refused.exit_code, refused.stderr.splitlines()[-1]) == (2, "Error: --numbers is for --export")


def test_rows_are_exported_to_standard_output(run: Run, submitted: str) -> None:
    shown = run("show", submitted, "--export", "pending", "-")
    assert (shown.exit_code, shown.stderr.splitlines()[0]) == (0, "3 rows written to standard output")
    heading, *rows = shown.stdout.splitlines()
    assert heading.startswith("line,to,")
    assert len(rows) == 3
    assert not Path("-").exists()
    both = run("show", submitted, "--export", "pending", "-", "--json")
    assert (both.exit_code, both.stdout) == (2, "")


def test_list_shows_the_live_campaigns_and_as_many_ended_ones_as_are_asked_for(run: Run, submitted: str) -> None:
    assert submitted in run("list", "--ended", "0").stdout
    assert run("cancel", submitted, "--yes").exit_code == 0
    assert submitted in run("list").stdout
    without = run("list", "--ended", "0")
    assert submitted not in without.stdout
    assert "not shown: 1 older campaign that ended: dispatch list --ended 1" in without.output


def test_show_says_what_own_and_provider_codes_mean(run: Run, submitted: str, redis_url: str) -> None:
    codes = {"push:2054": 1, "push:13": 2, "report:901": 3, "retry:429": 4, "push:4711": 5}
    with SyncRedis.from_url(redis_url) as redis:
        redis.hset(f"{{TIMESM}}:c:{submitted}:codes", mapping=codes)

    table = run("show", submitted).stdout

    for code, number, meaning in (
        ("push 2054", 1, "invalid mobile number"),
        ("push 13", 2, "the worker was lost during the push"),
        ("report 901", 3, "DND"),
        ("retry 429", 4, "HTTP 429 Too Many Requests"),
        ("push 4711", 5, "unknown code 4711"),
    ):
        assert re.search(rf"^{code} +{number} +{meaning}(?:: |$)", table, re.MULTILINE), table


def test_messages_that_may_have_been_sent_are_called_so(run: Run, submitted: str, redis_url: str) -> None:
    with SyncRedis.from_url(redis_url) as redis:
        redis.hset(f"{{TIMESM}}:c:{submitted}", mapping={"p": 1, "s": 1, "i": 1})

    table = run("show", submitted).stdout

    assert re.search(r"^pending +1 +not sent yet *$", table, re.MULTILINE)
    assert re.search(r"^sending +1 +may have been sent; the response decides *$", table, re.MULTILINE)
    assert re.search(r"^in_doubt +1 +may have been sent; a report decides *$", table, re.MULTILINE)


def test_show_says_when_a_campaign_starts_and_ends_to_be_valid(run: Run, write: WriteFile) -> None:
    tomorrow = datetime.now(ZoneInfo("Asia/Kolkata")) + timedelta(days=1)
    write("later.toml", CAMPAIGN + f'start_at = "{tomorrow:%Y-%m-%d} 12:00"\nvalidity = "6h"\n')
    later = json.loads(run("submit", "later.toml", "--recipients", "customers.csv", "--json").stdout)["campaign"]

    lines = run("show", later).stdout.splitlines()

    assert lines[0].startswith(f"bills ({later}): scheduled, goes on at {tomorrow:%Y-%m-%d} 12:00")
    assert f"start {tomorrow:%Y-%m-%d} 12:00:00 IST" in lines
    assert f"valid until {tomorrow:%Y-%m-%d} 18:00:00 IST" in lines


def test_show_says_what_the_accepted_parts_have_cost_so_far(run: Run, submitted: str, redis_url: str) -> None:
    assert " so far" not in run("show", submitted).stdout
    with SyncRedis.from_url(redis_url) as redis:
        redis.hset(f"{{TIMESM}}:c:{submitted}:statistics", mapping={"parts": 3, "cost": 1_250_000})
        assert "parts accepted, Rs 1.25 so far\n" in run("show", submitted).stdout
        redis.hset(f"{{TIMESM}}:c:{submitted}:statistics", "unpriced", 1)
    assert "parts accepted, Rs 1.25 so far and 1 part without a price\n" in run("show", submitted).stdout
