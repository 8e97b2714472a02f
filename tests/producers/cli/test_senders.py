import json

import pytest

from tests.kit.producers import Run, show


def test_senders_are_listed_paused_resumed_and_get_another_rate(run: Run, submitted: str) -> None:
    assert run("sender", "rate", "TIMESM", "25").stdout == "sender TIMESM may send 25/s\n"
    paused = (
        f"sender TIMESM is paused\n  {submitted}  bills from TIMESM, waiting for the sender: 3 messages of 3 unsent\n"
    )
    assert run("sender", "pause", "TIMESM").stdout == paused
    (view,) = json.loads(run("sender", "list", "--json").stdout)
    assert (view["id"], view["rate_per_s"], view["paused"]) == ("TIMESM", 25, True)
    assert show(run, submitted)["reason"] == "the sender is paused: dispatch sender resume TIMESM"
    assert run("sender", "resume", "TIMESM").stdout.splitlines()[0] == "sender TIMESM goes on"
    table = run("sender", "list").stdout.splitlines()
    assert table[0].split("  ")[0] == "sender"
    assert "runs" in table[1]
    unknown = run("sender", "pause", "NOBODY")
    assert (unknown.exit_code, unknown.stderr.count("\n")) == (2, 1)
    assert "TIMESM" in unknown.stderr


@pytest.mark.parametrize("rate", ["nan", "inf", "1e-300", "0.0099"])
def test_an_invalid_rate_is_refused_and_the_old_rate_stays(run: Run, submitted: str, rate: str) -> None:
    assert submitted
    run("sender", "rate", "TIMESM", "0.01")
    refused = run("sender", "rate", "TIMESM", rate)
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert refused.stderr.startswith("sender TIMESM: the rate must be ")
    (view,) = json.loads(run("sender", "list", "--json").stdout)
    assert view["rate_per_s"] == 0.01


def test_a_broker_that_is_away_does_not_keep_a_sender_from_being_resumed(
    run: Run, submitted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("sender", "pause", "TIMESM")
    monkeypatch.setenv("DISPATCH_BROKER_URL", "redis://127.0.0.1:1/0")
    assert run("sender", "resume", "TIMESM").stdout.splitlines()[0] == "sender TIMESM goes on"
    assert run("resume", submitted).exit_code == 0
