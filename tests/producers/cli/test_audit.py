import json

from tests.kit.producers import Run


def test_the_audit_says_who_did_what_to_a_campaign(run: Run, submitted: str) -> None:
    run("--actor", "asha@host", "pause", submitted, "--reason", "wrong price")
    run("resume", submitted)
    listed = json.loads(run("audit", submitted, "--json").stdout)
    assert [(entry["action"], entry["detail"]) for entry in listed][1:] == [("paused", "wrong price"), ("resumed", "")]
    assert listed[0]["action"] == "submitted"
    assert listed[1]["actor"] == "asha@host"
    assert "@" in listed[2]["actor"]
    shown = run("show", submitted).stdout
    assert "paused by asha@host: wrong price" in shown
