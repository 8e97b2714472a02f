import io
import json
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from redis import Redis as SyncRedis
from rich.table import Table

from producers.cli.plain_console import PlainConsole
from tests.kit.producers import CAMPAIGN, Run, WriteFile, csv_of, people


def _submit(run: Run, write: WriteFile, name: str, *, extra: str = "") -> str:
    campaign = write(f"{name}.toml", CAMPAIGN.replace("bills", name) + extra)
    write("people.csv", csv_of(people(3)))
    submitted = run("submit", str(campaign), "--recipients", "people.csv", "--again", "--json")
    return str(json.loads(submitted.stdout)["campaign"])


def _listed(run: Run, *options: str) -> set[str]:
    return {item["id"] for item in json.loads(run("list", "--json", *options).stdout)}


def test_filters_choose_campaigns_by_state_sender_name_and_age(run: Run, write: WriteFile) -> None:
    paused, running = _submit(run, write, "diwali"), _submit(run, write, "holi")
    run("pause", paused)

    assert _listed(run, "--state", "paused") == {paused}
    assert _listed(run, "--state", "running") == {running}
    assert _listed(run, "--state", "paused", "--state", "running") == {paused, running}
    assert _listed(run, "--name", "DIW") == {paused}
    assert _listed(run, "--sender", "TIMESM") == {paused, running}
    assert _listed(run, "--sender", "OTHERS") == set()
    assert _listed(run, "--since", "1h") == {paused, running}
    assert run("list", "--name", "eid").stdout == "no such campaign\n"
    assert run("list", "--sender", "TIMSEM").stdout == (
        "no such campaign; sender TIMSEM has none, did you mean TIMESM?\n"
    )


def test_a_limit_keeps_the_newest_and_says_how_many_are_left_out(run: Run, write: WriteFile) -> None:
    _submit(run, write, "older")
    newer = _submit(run, write, "newer")

    limited = run("list", "--limit", "1", "--json")

    assert [item["id"] for item in json.loads(limited.stdout)] == [newer]
    assert "not shown: 1 more than --limit 1" in limited.stderr


def test_a_campaign_with_a_later_start_is_scheduled(run: Run, write: WriteFile) -> None:
    tomorrow = datetime.now(ZoneInfo("Asia/Kolkata")) + timedelta(days=1)
    campaign = _submit(run, write, "later", extra=f'start_at = "{tomorrow:%Y-%m-%d} 12:00"\n')

    assert _listed(run, "--state", "scheduled") == {campaign}
    assert f"{tomorrow:%Y-%m-%d} 12:00  scheduled" in run("list").stdout


def test_a_campaign_of_a_paused_sender_waits_for_the_sender(run: Run, submitted: str) -> None:
    run("sender", "pause", "TIMESM")

    assert _listed(run, "--state", "waiting for the sender") == {submitted}
    assert "waiting for the sender" in run("list").stdout


def test_piped_output_has_one_row_for_each_campaign_however_long_its_reason_is(
    run: Run, write: WriteFile, submitted: str
) -> None:
    run("pause", submitted, "--reason", "a wrong price " * 20)

    lines = run("list").stdout.splitlines()

    assert len(lines) == 2
    assert lines[1].startswith(submitted)
    assert lines[1].rstrip().endswith("a wrong price")


@pytest.mark.parametrize("columns", ["60", "80"])
def test_a_narrow_terminal_shows_every_id_whole_and_the_figures_in_words(
    run: Run, submitted: str, redis_url: str, columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SyncRedis.from_url(redis_url) as redis:
        redis.hincrby(f"{{TIMESM}}:c:{submitted}", "p", -2)
        redis.hincrby(f"{{TIMESM}}:c:{submitted}", "d", 1)
        redis.hincrby(f"{{TIMESM}}:c:{submitted}", "u", 1)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", columns)

    shown = run("list").stdout

    assert submitted in shown
    assert "running, 66 % of 3 done, 1 delivered, 1 kept back" in shown
    assert max(map(len, shown.splitlines())) <= int(columns)


def test_a_list_without_campaigns_says_so(run: Run) -> None:
    assert run("list").stdout == "no campaigns yet\n"


def test_piped_rows_end_with_their_last_letter(run: Run, submitted: str) -> None:
    for command in (["list"], ["show", submitted], ["audit"], ["sender", "list"], ["template", "list"], ["stats"]):
        lines = run(*command).stdout.splitlines()
        assert lines, command
        assert [line for line in lines if line != line.rstrip()] == [], command


def test_a_list_without_ended_campaigns_does_not_say_that_there_is_none(run: Run, submitted: str) -> None:
    run("cancel", submitted, "--yes")

    listed = run("list", "--ended", "0")

    assert listed.stdout == "no campaign is live\n"
    assert "not shown: 1 older campaign that ended" in listed.stderr


def test_no_word_of_a_narrow_table_is_cut() -> None:
    out = PlainConsole(width=24, file=io.StringIO())
    table = Table("meaning", "what to do", box=None, pad_edge=False)
    table.add_row("undelivered after retries", "send promotional messages only to numbers with consent")

    out.print(table)

    printed = out.file.getvalue()  # type: ignore[attr-defined]  # the file above
    assert "…" not in printed
    assert max(map(len, printed.splitlines())) <= 24
