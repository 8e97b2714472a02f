import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from producers.cli import main
from producers.draft import RowPass
from tests.kit.producers import CAMPAIGN, SETTINGS, Run, WriteFile, csv_of, people
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.ledger.model import Recipients

CHECK = ("check", "campaign.toml", "--recipients", "customers.csv")


def test_check_prints_the_whole_report_and_sends_nothing(run: Run, write: WriteFile) -> None:
    write("dispatch.toml", SETTINGS.replace("rate_per_s = 500", 'rate_per_s = 500\nprice_per_part = "12 paise"'))
    write("customers.csv", csv_of([*people(3), ("98", "Asha", "5"), ("9000000009", "आशा", "7")]))

    done = run(*CHECK)

    assert done.exit_code == 0, done.stderr
    shown = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "WHEN", done.stdout).splitlines()
    assert shown[:9] == [
        "campaign  bills from TIMESM (service), template bill",
        "file      customers.csv",
        "good      4 rows",
        "refused   1 row",
        "          1: to is not an Indian mobile number: ten digits, the first from six to nine",
        "            line 5: '9*'",
        "            to do: correct the number: ten digits from 6, 7, 8 or 9 on, or + and the country's code",
        "parts     4",
        "          GSM-7: 3 messages in 3 parts",
    ]
    assert "          आ U+0906 DEVANAGARI LETTER AA forces UCS-2 in 1 message" in shown
    assert "cost      Rs 0.48, at Rs 0.12 a part" in shown
    assert "starts    WHEN IST" in shown
    assert "finishes  WHEN IST, 0 s of sending" in shown
    assert shown.count("          | Dear Person 0, your bill is Rs 0.50. - TIMESM") == 1
    assert "memory    about 0.0 MB of Redis" in shown
    assert any(re.fullmatch("digest    ([a-z2-7]{4}-){3}[a-z2-7]{32}", line) for line in shown)
    assert shown[-1] == "fine      the campaign can be sent"
    assert json.loads(run("list", "--json").stdout) == []
    assert not Path("customers.rejects.csv").exists()


def test_json_is_one_object(run: Run) -> None:
    answer = json.loads(run(*CHECK, "--json").stdout)

    assert (answer["good"], answer["refused"], answer["opted_out"]) == (3, {"to is empty": 1}, 0)
    assert answer["examples"]["to is empty"][0]["line"] == 5
    assert (answer["messages"], answer["parts"]) == ({"gsm": 3, "ucs2": 0}, {"gsm": 3, "ucs2": 0})
    assert answer["starts"].endswith("+05:30")
    assert [sample["to"] for sample in answer["samples"]] == ["9190*****000", "9190*****001", "9190*****002"]
    assert (answer["problems"], answer["cost"], answer["ahead"]) == ([], None, [])
    assert answer["memory"]["needed_bytes"] > 0
    assert answer["memory"]["left_bytes"] is None


def test_a_file_that_changes_during_a_check_gets_no_digest(
    run: Run, write: WriteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = RowPass.batches

    def change_and_read(self: RowPass, size: int) -> Iterator[Recipients]:
        write("customers.csv", csv_of(people(4)))
        return batches(self, size)

    monkeypatch.setattr(RowPass, "batches", change_and_read)
    done = run(*CHECK)

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "a file changed while it was read: check again\n"


def test_no_number_is_shown_whole(run: Run) -> None:
    for arguments in (CHECK, (*CHECK, "--json")):
        assert not re.search(r"90000000\d\d", run(*arguments).stdout)


@pytest.mark.parametrize("command", ["check", "submit"])
def test_the_campaign_file_may_name_its_recipients_beside_it(run: Run, write: WriteFile, command: str) -> None:
    Path("there").mkdir()
    write("there/campaign.toml", 'recipients = "people.csv"\n' + CAMPAIGN)
    write("there/people.csv", csv_of(people(2)))

    named = json.loads(run(command, "there/campaign.toml", "--json").stdout)
    sure = ["--yes"] if command == "submit" else []  # some of the recipients are the same
    given = json.loads(run(command, "there/campaign.toml", "--recipients", "customers.csv", "--json", *sure).stdout)

    rows = "good" if command == "check" else "accepted"
    assert (named[rows], given[rows]) == (2, 3)


@pytest.mark.parametrize("command", ["check", "submit"])
def test_missing_recipients_give_one_line(run: Run, write: WriteFile, command: str) -> None:
    done = run(command, "campaign.toml")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        'campaign.toml: names no recipients; add recipients = "customers.csv" to the file, or give --recipients FILE\n'
    )
    assert run(command, "nowhere.toml").stderr == "nowhere.toml: no such file\n"
    assert run(command, ".").stderr == ".: is not a file but a folder\n"
    assert run(command, "campaign.toml", "--recipients", ".").stderr == ".: is not a file but a folder\n"
    write("campaign.toml", 'recipients = "people.csv"\n' + CAMPAIGN)
    assert run(command, "campaign.toml").stderr == "people.csv: no such file\n"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("5876543210", "5876******"),
        ("98765-4321", "9876*-****"),
        ("9.87654E+09", "9.876**E+**"),
        ("1", "*"),
        ("987654321x", "9876*****x"),
        ("९८७६५", "९८***"),
        ("98\x1b[31m", "98\x1b[**m"),
    ],
)
def test_an_invalid_number_is_shown_by_its_first_digits_and_its_length(
    run: Run, write: WriteFile, written: str, shown: str
) -> None:
    write("customers.csv", csv_of([*people(1), (written, "Asha", "5")]))

    [example] = [row for rows in json.loads(run(*CHECK, "--json").stdout)["examples"].values() for row in rows]
    assert (example["to"], example["value"]) == (shown, shown)
    assert f"            line 3: {shown!r}" in run(*CHECK).stdout.splitlines()


def test_a_campaign_beyond_its_budget_gets_exit_code_1(run: Run, write: WriteFile) -> None:
    write("campaign.toml", CAMPAIGN + "max_parts = 2\n")

    done = run(*CHECK)

    assert done.exit_code == 1
    assert "budget    2 parts: the campaign does not fit" in done.stdout
    assert (
        done.stdout.splitlines()[-1]
        == "problem   the campaign takes 3 parts and max_parts allows 2: the remaining parts are not sent"
    )


def test_check_shows_the_daily_limit(run: Run, write: WriteFile) -> None:
    write("dispatch.toml", SETTINGS.replace("rate_per_s = 500", "rate_per_s = 500\nmax_parts_per_day = 2"))

    done, answer = run(*CHECK), json.loads(run(*CHECK, "--json").stdout)

    assert done.exit_code == 1
    assert "a day     2 parts of sender TIMESM" in done.stdout
    assert (answer["max_parts_per_day"], answer["parts_today"]) == (2, 0)


def test_rejects_are_written_to_the_given_path(run: Run) -> None:
    done = run(*CHECK, "--rejects", "bad.csv")

    assert "refused   1 row, see bad.csv" in done.stdout
    assert "to is empty" in Path("bad.csv").read_text(encoding="utf-8-sig")


def test_check_needs_no_redis(run: Run) -> None:
    without = CliRunner(env={"DISPATCH_REDIS_URL": ""}).invoke(main, [*CHECK, "--json"])

    answer = json.loads(without.stdout)
    assert (without.exit_code, answer["good"], answer["opted_out"], answer["warnings"]) == (0, 3, None, [])


@pytest.fixture
def gone_redis() -> str:
    """The address of a Redis that was stopped."""
    with EmbeddedServer() as server:
        return server.url


@pytest.mark.processes
def test_a_redis_that_is_away_is_only_a_warning(run: Run, gone_redis: str) -> None:
    done = run("--redis-url", gone_redis, *CHECK)
    silent = run("--redis-url", gone_redis, *CHECK, "--no-redis")

    assert (done.exit_code, silent.exit_code) == (0, 0)
    assert re.search(
        r"warning   Redis at \S+ is unavailable: no connection: its campaigns and opt-outs are not counted", done.stdout
    )
    assert "warning" not in silent.stdout


def test_opted_out_numbers_and_other_campaigns_are_counted(run: Run, write: WriteFile) -> None:
    run("optout", "add", "9000000001")
    write("others.csv", csv_of(people(2, first=70)))
    run("submit", "campaign.toml", "--recipients", "others.csv")

    done = run(*CHECK)

    assert "          1 of them will be suppressed: on the opt-out list" in done.stdout
    assert "beside 2 messages of 1 other campaign" in done.stdout


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("campaign.toml", CAMPAIGN + "finish_by = 2020-01-01T10:00:00\n", "campaign.toml:5: finish_by: is past"),
        (
            "campaign.toml",
            CAMPAIGN + 'start_at = 2999-12-31T10:00:00\nvalidity = "999d"\n',
            "campaign.toml:5: start_at: is more than 400 days away",
        ),
        ("campaign.toml", CAMPAIGN + 'text = "x"\n', "campaign.toml:5: text: cannot be combined with variables"),
        ("customers.csv", "number,name\n1,2\n", "customers.csv:1: no column named to"),
        (
            "dispatch.toml",
            SETTINGS.replace("is {#var#}.", "is {#var#} see evil.in."),
            "campaign.toml:3: template: the text",
        ),
    ],
)
def test_a_campaign_that_cannot_be_sent_gets_one_line_and_exit_code_2(
    run: Run, write: WriteFile, name: str, content: str, message: str
) -> None:
    write(name, content)

    done = run(*CHECK)

    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1


@pytest.mark.usefixtures("worker_runs")
def test_an_old_name_in_the_campaign_file_is_read_with_one_line_of_warning(run: Run, write: WriteFile) -> None:
    write("campaign.toml", CAMPAIGN + "most_parts = 5\n")
    warning = "campaign.toml:5: most_parts: is an old name; write max_parts"

    checked, answer = run(*CHECK), json.loads(run(*CHECK, "--json").stdout)
    submitted = run("submit", "campaign.toml", "--recipients", "customers.csv")

    assert [line for line in checked.stdout.splitlines() if "old name" in line] == [f"warning   {warning}"]
    assert (answer["max_parts"], answer["warnings"]) == (5, [warning])
    assert submitted.stderr == f"warning: {warning}\n"


def test_check_names_the_rule_for_second_tries_and_its_greatest_cost(run: Run, write: WriteFile) -> None:
    write("dispatch.toml", SETTINGS.replace("rate_per_s = 500", 'rate_per_s = 500\nprice_per_part = "12 paise"'))
    rule = '[retry_failed]\ncodes = ["912", "914"]\nafter = ["1h", "6h"]\nat_most = 2\n'
    write("campaign.toml", CAMPAIGN + rule)
    shown = run(*CHECK).stdout.splitlines()
    assert "again     failed with code 912 or 914: sent again after 1h, 6h, at most 2 times" in shown
    assert "          at most 9 parts in all, Rs 1.08, if all fail each time" in shown
    answer = json.loads(run(*CHECK, "--json").stdout)["retry_failed"]
    assert answer == {
        "codes": [912, 914], "after_s": [3_600, 21_600], "at_most": 2, "max_parts": 9, "max_cost": "1.08",
    }  # fmt: skip
    write("campaign.toml", CAMPAIGN + "max_parts = 5\n" + rule)
    assert json.loads(run(*CHECK, "--json").stdout)["retry_failed"]["max_parts"] == 5


def test_a_recent_campaign_to_the_same_people_is_named_as_submit_names_it(run: Run, write: WriteFile) -> None:
    submitted = json.loads(run("submit", *CHECK[1:], "--json").stdout)["campaign"]
    same = json.loads(run(*CHECK, "--json").stdout)
    write("customers.csv", csv_of([*people(3), ("9000000009", "Asha", "5")]))

    edited = json.loads(run(*CHECK, "--json").stdout)
    sentence = run("submit", *CHECK[1:]).stderr.partition(";")[0]

    assert same["same_people"] == []  # submit finds the campaign, and asks nothing
    assert edited["same_people"] == [{"campaign": submitted, "name": "bills", "share": 0.75}]
    assert sentence.startswith(f"75% of these recipients are also in campaign {submitted} (bills), submitted ")
    warning = f"{sentence}; submit asks about this first, and needs --yes where nobody can be asked"
    assert edited["warnings"][0] == warning
    assert run(*CHECK).exit_code == 0
    assert json.loads(run(*CHECK, "--no-redis", "--json").stdout)["same_people"] == []
