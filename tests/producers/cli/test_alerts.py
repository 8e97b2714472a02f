"""``dispatch alerts``: the list, and the test message to targets that accept the message and to targets that do not."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from producers.cli import main
from tests.kit.producers import SETTINGS, Run
from tests.kit.webhook import Webhook, running_webhook
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.monitoring.alerts import AlertChange, AlertRecord, AlertStore, Notification

TARGETS = """
[alerts.targets.oncall]
kinds = ["braked"]

[alerts.targets.mail]
"""
OPEN = AlertRecord(
    id="braked:campaign:a",
    kind="braked",
    sender="TIMESM",
    text="campaign a is braked",
    seen_ms=1_790_000_000_000,
    opened_ms=1_790_000_000_000,
    notified={"oncall": Notification(opened_ms=1_790_000_001_000, last_ms=1_790_000_001_000)},
)
PENDING = AlertRecord(id="no_worker:worker", kind="no_worker", text="no worker", seen_ms=1_790_000_000_000)
OVER = AlertRecord(
    id="no_worker:beat",
    kind="no_worker",
    text="no beat",
    seen_ms=1_789_000_000_000,
    opened_ms=1_789_000_000_000,
    resolved_ms=1_789_000_060_000,
)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with running_webhook() as running:
        yield running


@pytest.fixture
def some(redis_url: str) -> None:
    """Keep an open alert, an open alert of which nobody is notified yet, and an alert that is over."""

    async def write() -> None:
        async with connect(redis_url) as redis:
            changes = [AlertChange.of_open(OPEN), AlertChange.of_open(PENDING), AlertChange.ended(OVER)]
            assert await AlertStore(redis).keep(changes)

    asyncio.run(write())


def test_without_alerts_the_list_says_so(run: Run) -> None:
    assert run("alerts", "list").stdout == "no alert is open\n"


@pytest.mark.usefixtures("some")
def test_the_list_has_what_is_open_and_who_was_notified(run: Run) -> None:
    heading, row = run("alerts", "list").stdout.splitlines()
    assert heading.split() == ["since", "until", "kind", "what", "notified"]
    for part in ("2026-09-21 19:43:20 IST", "braked", "campaign a is braked", "oncall 2026-09-21 19:43:21 IST"):
        assert part in row


@pytest.mark.usefixtures("some")
def test_json_has_all_fields_and_those_that_are_over_on_demand(run: Run) -> None:
    answer = json.loads(run("alerts", "list", "--json", "--ended", "5").stdout)
    assert [alert["id"] for alert in answer["open"]] == ["braked:campaign:a"]
    assert answer["ended"][0]["resolved_ms"] == 1_789_000_060_000
    assert "no beat" in run("alerts", "list", "--ended", "1").stdout


def test_alerts_of_one_look_are_listed_in_the_order_of_their_ids(run: Run, redis_url: str) -> None:
    async def write() -> None:
        async with connect(redis_url) as redis:
            records = [msgspec.structs.replace(OPEN, id=f"braked:campaign:{name}") for name in "cab"]
            assert await AlertStore(redis).keep(list(map(AlertChange.of_open, records)))

    asyncio.run(write())
    answer = json.loads(run("alerts", "list", "--json").stdout)
    assert [alert["id"] for alert in answer["open"]] == [f"braked:campaign:{name}" for name in "abc"]


def _test(tmp_path: Path, *names: str, settings: str = SETTINGS + TARGETS, **urls: str) -> Result:
    path = tmp_path / "dispatch.toml"
    path.write_text(settings, "utf-8")
    variables = {f"DISPATCH_ALERTS_{name.upper()}_URL": url for name, url in urls.items()}
    return CliRunner(env=variables).invoke(main, ["--settings", str(path), "alerts", "test", *names])


@pytest.mark.processes
def test_a_test_message_goes_to_all_targets_and_says_what_each_gets(tmp_path: Path, webhook: Webhook) -> None:
    result = _test(tmp_path, oncall=webhook.url("one"), mail=webhook.url("two"))
    assert result.exit_code == 0, result.output
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["oncall", "JSON", "sent"],
        ["mail", "JSON", "sent"],
    ]
    assert set(webhook.texts) == {
        "This is a test of alerts. oncall gets braked of all senders.",
        "This is a test of alerts. mail gets all kinds of all senders.",
    }


@pytest.mark.processes
def test_a_target_that_refuses_is_named_with_exit_code_1_and_without_its_address(
    tmp_path: Path, webhook: Webhook
) -> None:
    webhook.status = 403
    result = _test(tmp_path, "oncall", oncall=webhook.url("a-secret"), mail=webhook.url("a-secret"))
    assert result.exit_code == 1
    assert "HTTP 403" in result.stdout
    assert result.stderr == "not sent to oncall\n"
    assert "a-secret" not in result.output
    assert webhook.paths == ["/hook/a-secret"]


@pytest.mark.parametrize(
    ("names", "settings", "said"),
    [
        ((), SETTINGS, "the settings have no target of alerts: add [alerts.targets.NAME]"),
        (("nobody",), SETTINGS + TARGETS, "there is no target nobody; there is oncall, mail"),
    ],
)
def test_a_target_that_is_not_there_is_wrong_usage(
    tmp_path: Path, names: tuple[str, ...], settings: str, said: str
) -> None:
    result = _test(tmp_path, *names, settings=settings, oncall="json://localhost", mail="json://localhost")
    assert result.exit_code == 2
    assert said in result.stderr


def test_an_address_that_is_none_is_named_by_its_variable(tmp_path: Path) -> None:
    result = _test(tmp_path, "mail", oncall="json://localhost", mail="nonsense://a-secret")
    assert result.exit_code == 1
    assert "DISPATCH_ALERTS_MAIL_URL" in result.stdout
    assert "a-secret" not in result.output
