"""``dispatch pause`` and ``dispatch resume`` for one sender and for all senders."""

import json

import pytest

from tests.kit.producers import Run, WriteFile, csv_of, people, show


@pytest.fixture
def two_senders(run: Run, submitted: str, write: WriteFile) -> tuple[str, str]:
    """A campaign of TIMESM and a campaign of OTHERS, three messages each."""
    write("others.toml", 'name = "closed"\nsender = "OTHERS"\ntemplate = "plain"\n')
    other = json.loads(run("submit", "others.toml", "--recipients", "people.csv", "--json").stdout)["campaign"]
    return submitted, other


def _trail(run: Run, action: str) -> list[tuple[str, str]]:
    entries = json.loads(run("audit", "--json").stdout)
    return sorted((entry["sender"], entry["detail"]) for entry in entries if entry["action"] == action)


def test_all_senders_are_paused_listed_and_noted_with_one_entry_each(run: Run, two_senders: tuple[str, str]) -> None:
    first, second = two_senders
    paused = run("pause", "--all", "--reason", "wrong price", "--yes")
    assert (paused.exit_code, paused.stdout.splitlines()) == (
        0,
        [
            "sender OTHERS is paused",
            f"  {second}  closed from OTHERS, waiting for the sender: 3 messages of 3 unsent",
            "sender TIMESM is paused",
            f"  {first}  bills from TIMESM, waiting for the sender: 3 messages of 3 unsent",
        ],
    )
    assert show(run, second)["reason"] == "the sender is paused (wrong price): dispatch sender resume OTHERS"
    assert _trail(run, "sender paused") == [("OTHERS", "wrong price"), ("TIMESM", "wrong price")]


def test_a_pause_of_several_campaigns_is_shown_and_refused_if_nobody_can_be_asked(
    run: Run, two_senders: tuple[str, str]
) -> None:
    refused = run("pause", "--all")
    assert (refused.exit_code, refused.stdout) == (2, "")
    head, *campaigns, refusal = refused.stderr.splitlines()
    assert head == "pauses sender OTHERS, TIMESM: 2 live campaigns with 6 unsent messages"
    assert [line.split()[0] for line in campaigns] == list(reversed(two_senders))
    assert refusal == "nothing is done: nobody can be asked here, stdin is no terminal; --yes acts without asking"
    assert _trail(run, "sender paused") == []


def test_one_sender_with_one_campaign_is_paused_and_resumed_without_a_question(
    run: Run, two_senders: tuple[str, str]
) -> None:
    paused = run("pause", "--sender", "TIMESM")
    assert (paused.exit_code, paused.stdout.splitlines()[0]) == (0, "sender TIMESM is paused")
    assert show(run, two_senders[1])["reason"] == ""
    assert run("resume", "--all").stdout.splitlines() == [
        "sender TIMESM goes on",
        f"  {two_senders[0]}  bills from TIMESM, running: 3 messages of 3 unsent",
    ]
    assert run("resume", "--all").stdout == "no sender is paused\n"
    assert _trail(run, "sender resumed") == [("TIMESM", "")]


def test_a_sender_that_never_had_a_campaign_is_paused_listed_and_resumed_with_all_others(
    run: Run, submitted: str
) -> None:
    run("pause", "--all", "--reason", "upgrade", "--yes")
    listed = json.loads(run("sender", "list", "--json").stdout)
    assert {sender["id"]: sender["paused"] for sender in listed} == {"OTHERS": True, "TIMESM": True}

    run("resume", "--all", "--yes")
    listed = json.loads(run("sender", "list", "--json").stdout)
    assert {sender["id"]: sender["paused"] for sender in listed} == {"TIMESM": False}

    assert run("pause", "--sender", "OTHERS").exit_code == 0
    assert run("sender", "resume", "OTHERS").stdout == "sender OTHERS goes on\n"
    assert "did you mean OTHERS?" in run("sender", "pause", "OTHRS").stderr


def test_a_campaign_that_was_paused_by_itself_stays_paused_when_all_senders_are_resumed(
    run: Run, two_senders: tuple[str, str]
) -> None:
    run("pause", two_senders[0])
    run("pause", "--all", "--yes")
    assert run("resume", "--all").exit_code == 2
    assert run("resume", "--all", "--yes").exit_code == 0
    assert [show(run, campaign)["state"] for campaign in two_senders] == ["paused", "running"]


def test_a_second_reason_of_a_sender_replaces_the_first_and_a_resume_removes_it(run: Run, submitted: str) -> None:
    for reason in (["--reason", "first"], ["--reason", "second"], []):
        run("pause", "--sender", "TIMESM", *reason)
    assert json.loads(run("sender", "list", "--json").stdout)[0]["pause_reason"] == "second"
    run("resume", "--sender", "TIMESM")
    run("sender", "pause", "TIMESM")
    assert show(run, submitted)["reason"] == "the sender is paused: dispatch sender resume TIMESM"


@pytest.mark.parametrize("command", ["pause", "resume"])
@pytest.mark.parametrize("target", [[], ["x", "--all"], ["--all", "--sender", "TIMESM"], ["x", "--sender", "TIMESM"]])
def test_a_pause_or_resume_names_a_campaign_or_a_sender_or_all(run: Run, command: str, target: list[str]) -> None:
    refused = run(command, *target)
    assert refused.exit_code == 2
    assert "name campaigns, or name a sender with --sender, or give --all" in refused.stderr


def test_an_unknown_sender_is_refused_and_named(run: Run, submitted: str) -> None:
    for command in ("pause", "resume"):
        refused = run(command, "--sender", "NOBODY")
        assert refused.exit_code == 2
        assert refused.stderr == "sender NOBODY: the ledger has no sender of this name; it has TIMESM\n"


def test_a_pause_of_all_senders_of_nothing_says_so(run: Run, write: WriteFile) -> None:
    write("dispatch.toml", "[half a table\n")
    assert run("pause", "--all").stdout == "neither the ledger nor the settings have a sender\n"


def test_a_sender_that_never_had_a_campaign_does_not_begin_after_a_stop_of_all(run: Run, write: WriteFile) -> None:
    assert "sender TIMESM is paused" in run("pause", "--all", "--yes").stdout.splitlines()
    write("people.csv", csv_of(people(3)))
    write("first.toml", 'name = "first"\nsender = "TIMESM"\ntemplate = "plain"\n')
    campaign = json.loads(run("submit", "first.toml", "--recipients", "people.csv", "--json", "--yes").stdout)[
        "campaign"
    ]
    assert show(run, campaign)["reason"].startswith("the sender is paused")


def test_without_valid_settings_a_stop_of_all_says_which_senders_it_misses(run: Run, write: WriteFile) -> None:
    write("dispatch.toml", "[half a table\n")
    assert "senders that never had a campaign are not paused" in run("pause", "--all", "--yes").stderr
