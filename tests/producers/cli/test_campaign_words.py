import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.kit.producers import CAMPAIGN, Run, WriteFile, csv_of, people
from tests.kit.terminal import answer

CHANGES = (
    ["pause", "diwali"],
    ["resume", "diwali"],
    ["cancel", "diwali", "--yes"],
    ["budget", "diwali", "9"],
    ["resolve", "diwali", "--as", "sent", "--force"],
)
READERS = (["report", "diwali", "--out", "-"], ["stats", "--campaign", "diwali"])


def _submit(run: Run, write: WriteFile, name: str, *, extra: str = "") -> str:
    campaign = write(f"{name}.toml", CAMPAIGN.replace("bills", name) + extra)
    write("people.csv", csv_of(people(3)))
    submitted = run("submit", str(campaign), "--recipients", "people.csv", "--again", "--json")
    return str(json.loads(submitted.stdout)["campaign"])


def test_a_name_the_beginning_of_an_id_and_last_stand_for_an_id(run: Run, write: WriteFile) -> None:
    older, newer = _submit(run, write, "diwali"), _submit(run, write, "holi")

    for words, campaign in (("diwali", older), ("holi", newer), ("last", newer), (older[:7], older), (newer, newer)):
        shown = run("show", words, "--json")
        assert shown.exit_code == 0, shown.output
        assert json.loads(shown.stdout)["id"] == campaign


def test_a_name_of_several_campaigns_is_refused_with_the_candidates(run: Run, write: WriteFile) -> None:
    first, second = _submit(run, write, "diwali"), _submit(run, write, "diwali")

    for command in (["show", "diwali"], ["watch", "diwali"], ["audit", "diwali"], *CHANGES, *READERS):
        refused = run(*command)
        assert refused.exit_code == 2
        assert refused.stderr.startswith("campaign diwali: 2 campaigns match, give the id: ")
        assert f"{first} (diwali, running)" in refused.stderr
        assert f"{second} (diwali, running)" in refused.stderr


def test_an_unknown_name_gets_the_most_similar_name(run: Run, write: WriteFile) -> None:
    campaign = _submit(run, write, "diwali")
    assert "did you mean diwali?" in run("show", "diwalli").stderr
    assert "did you mean last?" in run("show", "lst").stderr
    assert f"did you mean {campaign}?" in run("show", campaign[:4] + campaign[5:]).stderr


@pytest.mark.parametrize("command", [*CHANGES, *READERS], ids=lambda command: command[0])
@pytest.mark.parametrize(
    "kind",
    [
        "name",
        "last",
        pytest.param("beginning", marks=pytest.mark.slow),  # runs all commands for each kind of words
        pytest.param("id", marks=pytest.mark.slow),
    ],
)
def test_a_command_acts_on_the_campaign_that_a_word_means_and_says_which(
    run: Run, write: WriteFile, command: Sequence[str], kind: str
) -> None:
    if kind == "last":
        _submit(run, write, "holi")
    meant = _submit(run, write, "diwali")
    if kind != "last":
        _submit(run, write, "holi")
    words = {"name": "diwali", "beginning": meant[:7], "last": "last", "id": meant}[kind]

    done = run(*(words if part == "diwali" else part for part in command))

    assert done.exit_code == 0, done.output
    note = f"{words} is campaign {meant}\n"
    assert (note in done.stderr) == (kind != "id")
    if command[0] in {"pause", "resume", "cancel", "budget"}:
        assert done.stdout.startswith(f"campaign {meant} ")
    entries = json.loads(run("audit", "--json").stdout)
    changed = {entry["campaign"] for entry in entries if entry["action"] != "submitted"} - {""}
    assert changed <= {meant}
    assert changed or command[0] in {"resume", "resolve", "stats"}


@pytest.mark.processes
def test_a_campaign_that_comes_while_cancel_last_asks_is_not_cancelled(
    run: Run, write: WriteFile, tmp_path: Path, redis_url: str
) -> None:
    asked = _submit(run, write, "diwali")
    newer = list[str]()

    done = answer(
        *("cancel", "last"),
        folder=tmp_path,
        redis_url=redis_url,
        keys="y\n",
        meanwhile=lambda: newer.append(_submit(run, write, "holi")),
    )

    assert done.exit_code == 0, done.output
    assert f"campaign {asked} is cancelled" in done.output
    states = {view["id"]: view["state"] for view in json.loads(run("list", "--json").stdout)}
    assert states == {asked: "cancelled", newer[0]: "running"}


def test_a_report_of_two_words_for_one_campaign_has_each_row_once(run: Run, write: WriteFile) -> None:
    meant = _submit(run, write, "diwali")
    done = run("report", "last", "diwali", meant, "--out", "-")
    assert done.exit_code == 0, done.output
    assert done.stderr.endswith("3 rows of 1 campaign written to standard output\n")


def test_every_command_calls_a_campaign_with_a_later_start_scheduled(run: Run, write: WriteFile) -> None:
    tomorrow = datetime.now(ZoneInfo("Asia/Kolkata")) + timedelta(days=1)
    campaign = _submit(run, write, "diwali", extra=f'start_at = "{tomorrow:%Y-%m-%d} 12:00"\n')

    cancelled = run("cancel", campaign)
    assert f"  {campaign}  diwali from TIMESM, scheduled: 3 messages of 3 unsent\n" in cancelled.stderr
    assert f"{campaign}  diwali from TIMESM, scheduled: " in run("pause", "--sender", "TIMESM").stdout
    held = run("resume", campaign)
    assert held.exit_code == 1
    assert held.stderr.endswith("; the sender is paused: dispatch sender resume TIMESM\n")
    run("resume", "--sender", "TIMESM")
    assert run("resume", campaign).stdout.startswith(f"campaign {campaign} is scheduled: goes on at ")
    write("people.csv", csv_of(people(3)))
    first = run("submit", "diwali.toml", "--recipients", "people.csv", "--yes").stdout.split()[1]
    again = run("submit", "diwali.toml", "--recipients", "people.csv")
    assert again.stdout == f"already submitted as {first} (scheduled); --again sends the campaign once more\n"
    assert f"{campaign} (diwali, scheduled)" in run("show", "diwali").stderr
