"""The messages to a webhook and a mail server, and the errors of targets that accept nothing; no text has a secret."""

import asyncio
import logging
import sys
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from tests.kit.clock import FakeClock
from tests.kit.webhook import Webhook
from times_dispatch.alerts.messages import AlertMessage
from times_dispatch.alerts.sender_process import MAX_START_S
from times_dispatch.alerts.targets import SEND_WITHIN_S, AppriseTarget, TargetInvalid, keep_addresses_out_of_logs
from times_dispatch.demo.local_ports import free_port
from times_dispatch.settings.values.secrets import Secret

pytestmark = pytest.mark.processes

MESSAGE = AlertMessage("sms: campaign a is braked", "campaign a is braked: _wrong_ <b>password</b>", "warning")
SECRET = "a-secret-token"


def target(url: str) -> AppriseTarget:
    return AppriseTarget("oncall", Secret(url), clock=FakeClock(auto=True))  # the class that the settings use


async def test_a_webhook_gets_title_text_and_level(webhook: Webhook) -> None:
    assert await target(webhook.url()).send(MESSAGE) == ""
    (posted,) = webhook.posted
    assert (posted["title"], posted["message"], posted["type"]) == (*MESSAGE[:2], "warning")


@pytest.mark.parametrize(("status", "attempts"), [(401, 1), (404, 1), (429, 3), (500, 3)])
async def test_a_refusal_is_named_by_its_status_and_repeated_only_if_that_may_help(
    webhook: Webhook, status: int, attempts: int
) -> None:
    webhook.status = status
    assert await target(webhook.url()).send(MESSAGE) == f"HTTP {status}"
    assert len(webhook.paths) == attempts


async def test_a_target_that_nobody_reaches_is_tried_three_times(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    keep_addresses_out_of_logs()
    clock = FakeClock(auto=True)
    reason = await AppriseTarget("oncall", f"json://127.0.0.1:{free_port()}/{SECRET}", clock=clock).send(MESSAGE)
    assert reason == "the connection failed"
    assert len(clock.slept) == 2
    assert SECRET not in caplog.text


async def test_a_message_for_which_no_process_can_be_started_was_not_sent(
    webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    reason = await target(webhook.url(SECRET)).send(MESSAGE)
    assert reason == "no process can be started: No such file or directory"
    assert webhook.paths == []


async def test_no_log_line_holds_the_address_of_a_target(webhook: Webhook, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    keep_addresses_out_of_logs()
    for status in (200, 401):
        webhook.status = status
        await target(webhook.url(SECRET)).send(MESSAGE)
    assert webhook.paths == [f"/hook/{SECRET}"] * 2
    assert SECRET not in caplog.text
    assert "/hook/" not in caplog.text


async def test_a_target_that_does_not_answer_is_given_up_after_its_timeout(webhook: Webhook) -> None:
    webhook.hangs.set()
    assert await target(f"{webhook.url()}?rto=0.2").send(MESSAGE) == "the connection failed"


async def test_a_mail_server_gets_the_text_as_it_is() -> None:
    mails = list[Any]()

    class Keeping:
        async def handle_DATA(  # noqa: N802  # aiosmtpd's name
            self, _server: object, _session: object, envelope: Any
        ) -> str:
            mails.append(envelope)
            return "250 OK"

    controller = Controller(Keeping(), hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        url = f"mailto://127.0.0.1:{controller.port}?from=dispatch@example.org&to=oncall@example.org&format=text"
        assert await target(url).send(MESSAGE) == ""
    finally:
        controller.stop()
    (envelope,) = mails
    assert envelope.rcpt_tos == ["oncall@example.org"]
    mail = message_from_bytes(envelope.content, policy=default)
    assert mail["subject"] == MESSAGE.title
    assert MESSAGE.body in mail.get_content()


@pytest.mark.parametrize("url", ["nonsense://abc", "slack://a", "json://"])
def test_an_address_that_apprise_does_not_know_is_named_by_its_variable(url: str) -> None:
    with pytest.raises(TargetInvalid, match=r"^environment: DISPATCH_ALERTS_ON_CALL_URL: is no address that") as raised:
        AppriseTarget("on-call", f"{url}")
    assert "abc" not in str(raised.value)


def test_a_target_says_which_service_it_is(webhook: Webhook) -> None:
    assert target(webhook.url()).service == "JSON"


@pytest.mark.parametrize("starts", [True, False])
async def test_a_slow_start_of_the_sending_program_has_a_limit_of_its_own(
    webhook: Webhook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, starts: bool
) -> None:
    begun, go = tmp_path / "begun", tmp_path / "go"
    (tmp_path / "sitecustomize.py").write_text(
        "import pathlib, time\n"
        f"pathlib.Path({str(begun)!r}).touch()\n"
        f"while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    clock, stop = FakeClock(), asyncio.Event()
    stop.set()  # one attempt is enough
    sending = asyncio.create_task(AppriseTarget("oncall", webhook.url(), clock=clock).send(MESSAGE, stop=stop))
    while not begun.exists():
        await asyncio.sleep(0.01)
    await clock.advance(SEND_WITHIN_S + 1 if starts else MAX_START_S)
    if starts:
        go.touch()
    assert await sending == ("" if starts else "the sending did not begin within 60 s")
    assert len(webhook.posted) == starts
