import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.kit.producers import CAMPAIGN, Run, WriteFile, csv_of, people
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.keys import ID_KEY
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.secret_digest import digest_secret
from times_dispatch.ledger.states import CampaignState
from times_dispatch.ledger.submission import Submissions

SUBMIT = ("submit", "campaign.toml", "--recipients", "customers.csv")


def start(redis_url: str, stderr: int) -> "subprocess.Popen[str]":
    """Start a submit as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", "import producers.cli; producers.cli.main()", *SUBMIT],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "DISPATCH_REDIS_URL": redis_url},
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )


@pytest.mark.processes
def test_submit_works_as_a_process(run: Run, redis_url: str, worker_runs: None) -> None:
    with start(redis_url, subprocess.PIPE) as process:
        out, err = process.communicate(timeout=120)

    assert (process.returncode, err) == (0, "")
    assert out.startswith("campaign  ")
    assert Path("customers.rejects.csv").exists()


@pytest.mark.processes
def test_a_terminal_gets_a_progress_bar_without_names_and_numbers(run: Run, redis_url: str) -> None:
    ours, terminal = pty.openpty()
    with start(redis_url, terminal) as process:
        out, _ = process.communicate(timeout=120)
    os.close(terminal)
    drawn = os.read(ours, 1 << 16).decode()
    os.close(ours)

    assert process.returncode == 0
    assert "customers.csv" in drawn
    assert "3 accepted, 1 refused" in drawn
    assert not re.search("Asha|Person|90000000", drawn)
    assert out.startswith("campaign  ")


def test_submit_counts_accepted_and_refused_rows(run: Run) -> None:
    done = run(*SUBMIT)

    assert done.exit_code == 0, done.stderr
    first, *rest = done.stdout.splitlines()
    assert re.fullmatch(r"campaign  [0-9a-z]{8}  bills from TIMESM", first)
    assert rest == [
        "file      customers.csv",
        "accepted  3 messages in 3 parts",
        "          GSM-7: 3 messages in 3 parts",
        "refused   1 row, see customers.rejects.csv",
        "          1: to is empty",
        "starts    at once",
    ]


def test_a_submit_says_that_the_sender_is_paused(run: Run) -> None:
    run(*SUBMIT)
    run("sender", "pause", "TIMESM", "--reason", "wrong price")

    done = run(*SUBMIT, "--again", "--yes")

    assert done.exit_code == 0, done.stderr
    waits = "starts    later: the sender is paused (wrong price): dispatch sender resume TIMESM"
    assert done.stdout.splitlines()[-1] == waits
    assert run(*SUBMIT).stdout.count("(waiting for the sender)") == 1


def test_json_is_one_object_without_names_and_numbers(run: Run) -> None:
    done = run(*SUBMIT, "--rejects", "bad.csv", "--json")

    answer = json.loads(done.stdout)
    assert (answer["name"], answer["sender"], answer["state"]) == ("bills", "TIMESM", "running")
    assert (answer["accepted"], sum(answer["refused"].values()), answer["rejects"]) == (3, 1, "bad.csv")
    assert answer["messages"] == {"gsm": 3, "ucs2": 0}
    assert answer["start_at"] is None
    assert answer["valid_until"].endswith("+05:30")
    assert not re.search(r"Asha|Person|90000000", done.stdout + done.stderr)


def test_a_second_run_does_nothing_and_again_makes_another_campaign(run: Run) -> None:
    first = json.loads(run(*SUBMIT, "--json").stdout)
    second = run(*SUBMIT)
    again = run(*SUBMIT, "--again", "--json")
    salt = json.loads(again.stdout)["salt"]
    resumed = run(*SUBMIT, "--salt", salt)

    assert second.exit_code == 0
    campaign = first["campaign"]
    assert second.stdout == f"already submitted as {campaign} (running); --again sends the campaign once more\n"
    assert json.loads(again.stdout)["campaign"] != first["campaign"]
    assert f"--salt {salt}" in again.stderr
    assert resumed.stdout.startswith(f"already submitted as {json.loads(again.stdout)['campaign']}")


def test_a_submit_whose_campaign_is_cancelled_meanwhile_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seal = Submissions.seal

    async def cancel_and_seal(
        self: Submissions, campaign: CampaignId, sender: SenderId, **counts: Any
    ) -> CampaignState:
        await Control(self._redis).campaign(sender, campaign, ControlAction.CANCEL)
        return await seal(self, campaign, sender, **counts)

    monkeypatch.setattr(Submissions, "seal", cancel_and_seal)
    done = run(*SUBMIT)

    assert (done.exit_code, done.stdout) == (1, "")
    assert re.search("campaign [0-9a-z]{8} was cancelled during its submit: none of its messages is sent", done.stderr)


def test_a_submit_whose_campaign_is_cancelled_just_after_the_seal_does_not_say_that_it_starts(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal = Submissions.seal

    async def seal_and_cancel(
        self: Submissions, campaign: CampaignId, sender: SenderId, **counts: Any
    ) -> CampaignState:
        state = await seal(self, campaign, sender, **counts)
        await Control(self._redis).campaign(sender, campaign, ControlAction.CANCEL)
        return state

    monkeypatch.setattr(Submissions, "seal", seal_and_cancel)
    done = run(*SUBMIT)

    assert (done.exit_code, done.stdout) == (1, "")
    assert re.search("campaign ([0-9a-z]{8}) was cancelled just after its submit: dispatch show \\1 says", done.stderr)


def digest_of(run: Run) -> str:
    """Return the digest that ``dispatch check --json`` prints."""
    return str(json.loads(run("check", *SUBMIT[1:], "--json").stdout)["digest"])


def test_a_submit_of_what_was_checked_goes_through_and_may_be_repeated(run: Run) -> None:
    digest = digest_of(run)

    first, second = run(*SUBMIT, "--checked", digest, "--json"), run(*SUBMIT, "--checked", digest)

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert second.stdout.startswith(f"already submitted as {json.loads(first.stdout)['campaign']}")
    assert digest_of(run) == digest


@pytest.mark.parametrize(
    ("names", "changed"),
    [
        (["campaign.toml"], "campaign.toml has"),
        (["customers.csv"], "customers.csv has"),
        (["dispatch.toml"], "the settings of sender TIMESM and template bill have"),
        (["campaign.toml", "customers.csv"], "campaign.toml and customers.csv have"),
    ],
)
def test_a_submit_of_something_else_than_was_checked_stores_nothing(
    run: Run, redis_url: str, names: list[str], changed: str
) -> None:
    digest = digest_of(run)
    for name in names:
        path = Path(name)
        path.write_text(path.read_text().replace("your bill is", "the bill is") + "\n")
    with Redis.from_url(redis_url) as redis:
        before = redis.keys()
        done = run(*SUBMIT, "--checked", digest, "--again")
        assert redis.keys() == before

    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        f"--checked: {changed} changed since the check; nothing is submitted. "
        "Run dispatch check again, and submit with its new digest\n"
    )
    assert run(*SUBMIT, "--checked", digest_of(run)).exit_code == 0


def test_an_edited_file_is_submitted_again_only_with_yes(run: Run, submitted: str, redis_url: str) -> None:
    with Redis.from_url(redis_url) as redis:
        before = set(redis.keys())
        refused = run(*SUBMIT)
        assert set(redis.keys()) <= before  # keys with an expiry may be gone

    assert (refused.exit_code, refused.stdout) == (2, "")
    assert re.fullmatch(
        rf"100% of these recipients are also in campaign {submitted} \(bills\), submitted \S+ \S+ IST; "
        "nothing is submitted, --yes submits it without asking\n",
        refused.stderr,
    )
    assert run(*SUBMIT, "--yes").exit_code == 0
    assert run(*SUBMIT).stdout.startswith("already submitted as ")


def test_a_campaign_that_was_cancelled_before_its_first_message_is_corrected_without_a_question(
    run: Run, submitted: str
) -> None:
    run("cancel", submitted, "--yes")

    assert run(*SUBMIT).exit_code == 0


def test_a_campaign_of_another_name_and_template_is_submitted_without_a_question(
    run: Run, write: WriteFile, submitted: str
) -> None:
    write("campaign.toml", 'name = "closed"\nsender = "TIMESM"\ntemplate = "plain"\n')

    assert run(*SUBMIT).exit_code == 0


def test_other_recipients_are_submitted_without_a_question(run: Run, write: WriteFile, submitted: str) -> None:
    write("customers.csv", csv_of([*people(3, first=50), *people(2)]))

    assert run(*SUBMIT).exit_code == 0


def test_a_host_with_another_id_key_submits_nothing(run: Run, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Redis.from_url(redis_url) as redis:
        redis.hset(ID_KEY, "digest", digest_secret(b"the-key-of-all-others", purpose="id key"))
    monkeypatch.setenv("DISPATCH_ID_KEY", "the-key-of-all-others")
    assert run(*SUBMIT).exit_code == 0
    monkeypatch.setenv("DISPATCH_ID_KEY", "another-key-of-enough-bytes")
    refused = run(*SUBMIT, "--again")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "DISPATCH_ID_KEY is not the key with which the other processes of this ledger make ids" in refused.stderr
    monkeypatch.setenv("DISPATCH_ID_KEY_OLD", "the-key-of-all-others")
    assert run(*SUBMIT, "--again").exit_code == 0


def test_a_campaign_whose_start_is_long_past_is_sent_only_with_now(run: Run, write: WriteFile) -> None:
    write("campaign.toml", CAMPAIGN + "start_at = 2020-11-08T10:00:00\n")
    files = ["campaign.toml", "--recipients", "customers.csv"]
    for command in ("check", "submit"):
        refused = run(command, *files)
        assert (refused.exit_code, refused.stdout) == (2, "")
        assert refused.stderr.startswith("campaign.toml:5: start_at: passed ")
    assert run("check", *files, "--now").exit_code == 0
    assert json.loads(run("submit", *files, "--now", "--json").stdout)["state"] == "running"
