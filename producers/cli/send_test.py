"""``dispatch send-test``: sends a test message to one number, and shows the exchange with the provider."""

import json
from typing import Any

import click
import uvloop
from redis.asyncio import Redis

from producers.cli import CliContext, completion
from producers.cli.ledger import open_ledger
from producers.cli.output import echo, second_in_india
from producers.cli.types import FiniteFloatRange
from producers.errors import InputInvalid
from producers.test_send import (
    SendTestMessage,
    SendTestRequest,
    SendTestResult,
    compare_id_key,
    prepare,
    refuse_if_forgotten,
    refuse_if_held,
    send,
    wait_for_report,
)
from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.reports.test_sends import SendTestReport
from times_dispatch.ledger.trail import Trail, TrailAction, packed_entry
from times_dispatch.plurals import counted
from times_dispatch.provider.diagnostics.transcript import request_lines, response_lines
from times_dispatch.provider.outcomes import Outcome, Verdict
from times_dispatch.provider.reports.codes import describe
from times_dispatch.settings.load import Need
from times_dispatch.settings.logs import configure
from times_dispatch.settings.masking import mask
from times_dispatch.settings.model import Settings

_DEFAULT_REPORT_TIMEOUT_S = 120.0


@click.command("send-test")
@click.option("--country-code", required=True, metavar="91", help="The country code of the number.")
@click.option(
    "--number", required=True, metavar="9876543210", help="The mobile number, with or without the country code."
)
@click.option("--message", required=True, help="The text, exactly as it will be sent.")
@click.option(
    "--sender",
    default="",
    shell_complete=completion.senders,
    help="The sender. [default: the first sender that uses the provider]",
)
@click.option(
    "--template",
    default="",
    shell_complete=completion.templates,
    help="The template whose content id the message carries. [default: the sender's first template]",
)
@click.option(
    "--provider", default="", shell_complete=completion.providers, help="The provider. [default: the sender's provider]"
)
@click.option(
    "--custom", multiple=True, metavar="NAME=VALUE", help="A custom value for the provider's payload; may be repeated."
)
@click.option(
    "--wait-report",
    is_flag=False,
    flag_value=_DEFAULT_REPORT_TIMEOUT_S,
    default=None,
    type=FiniteFloatRange(min=0),
    metavar="[SECONDS]",
    help=f"Wait this long for the delivery report. [default if given: {_DEFAULT_REPORT_TIMEOUT_S:.0f}]",
)
@click.option("--force", is_flag=True, help="Send although the sender is paused, braked or backing off.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def send_test(
    options: CliContext,
    country_code: str,
    number: str,
    message: str,
    *,
    sender: str,
    template: str,
    provider: str,
    custom: tuple[str, ...],
    wait_report: float | None,
    force: bool,
    as_json: bool,
) -> None:
    """Send one message now, outside any campaign, and show the provider's answer. The message costs money.

    No worker is needed. The delivery report comes through the receiver and the reconciler, as every report does.
    """
    configure(level="warning")
    needs_ledger = not force or wait_report is not None
    settings = options.settings(Need.IDS, Need.PROVIDERS, *([Need.LEDGER] if needs_ledger else []))
    request = SendTestRequest(
        number=number,
        message=message,
        country_code=country_code,
        sender=sender,
        template=template,
        provider=provider,
        custom=_custom_values(custom),
    )
    test_message = prepare(request, settings, random_below=options.random_below)
    if not as_json:
        for line in _request_lines(test_message):
            echo(line)
    pushing = _push_and_wait(
        test_message, settings, force=force, wait_s=wait_report, quiet=as_json, actor=options.actor
    )
    result, report = uvloop.run(pushing)
    if as_json:
        echo(json.dumps(_as_json(test_message, result, report)))
    failed = result.outcome.verdict is not Verdict.ACCEPTED
    if failed or (wait_report is not None and (report is None or report.kind == "failed")):
        raise SystemExit(1)


async def _push_and_wait(
    message: SendTestMessage,
    settings: Settings,
    *,
    force: bool,
    wait_s: float | None,
    quiet: bool,
    actor: str,
) -> tuple[SendTestResult, SendTestReport | None]:
    """Push a test message, and wait for its delivery report.

    Args:
        message: the test message.
        settings: the settings, with the ledger's address and the id keys.
        force: whether to send although the sender is paused, braked or backing off.
        wait_s: how long to wait for the report, in seconds; None does not wait.
        quiet: whether to print nothing.
        actor: the person who sends, for the sender's trail.

    Raises:
        InputInvalid: the number is forgotten.
        CommandFailed: the sender is paused, braked or backing off, and *force* is not given.
        RedisUnavailable: the ledger does not answer.
    """
    if force and wait_s is None:
        await compare_id_key(settings, None)
        return await _push(message, None, quiet=quiet), None
    async with open_ledger(settings.redis_url) as redis:
        await compare_id_key(settings, redis)
        await refuse_if_forgotten(redis, settings, message.push.to)
        if not force:
            await refuse_if_held(redis, SenderId(message.push.sender), message.provider.nickname)
        entry = packed_entry(actor, TrailAction.TEST_SENT, detail=f"through {message.provider.nickname}")
        await Trail(redis).note(message.push.sender, entry)
        result = await _push(message, redis, quiet=quiet)
        if wait_s is None or result.outcome.verdict not in {Verdict.ACCEPTED, Verdict.IN_DOUBT}:
            return result, None
        report = await wait_for_report(redis, message, timeout_s=wait_s)
    if not quiet:
        echo(f"report    {_report_in_words(report) if report else f'none within {wait_s:g} s'}")
    return result, report


async def _push(message: SendTestMessage, redis: Redis | None, *, quiet: bool) -> SendTestResult:
    result = await send(message, redis=redis)
    if not quiet:
        for line in _answer_lines(message, result):
            echo(line)
    return result


def _custom_values(options: tuple[str, ...]) -> dict[str, str]:
    values = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not (name and equals):
            raise InputInvalid(f"--custom {name}: must be NAME=VALUE")
        values[name.removeprefix("$$")] = value
    return values


def _request_lines(message: SendTestMessage) -> list[str]:
    push, provider = message.push, message.provider
    lines = [f"message   {push.correlation_id} from {push.sender} to {mask(push.to)} through {provider.nickname}"]
    if message.template:
        lines.append(f"template  {message.template} ({push.content_id})")
        if not message.matches_template:
            lines.append("          the message is not this template's text: an operator may drop it without a report")
        lines += [f"          {refusal}: a campaign would refuse this message" for refusal in message.refusals]
    else:
        lines.append("template  no template is registered for the sender")
    if message.lacks_values:
        lines.append(
            "          $$TemplateVariables is empty: write the message as its template, with the values filled in"
        )
    return [*lines, *_indented("> ", request_lines(provider, push, mask))]


def _answer_lines(message: SendTestMessage, result: SendTestResult) -> list[str]:
    lines = []
    if result.answered:
        lines += _indented("< ", response_lines(result.answered, message.provider, message.push, mask))
    verdict, words = _VERDICTS[result.outcome.verdict], _outcome_in_words(result.outcome)
    return [*lines, f"{verdict:9} {words}, after {result.took_s * 1000:.0f} ms"]


_VERDICTS = {
    Verdict.ACCEPTED: "accepted",
    Verdict.REJECTED: "rejected",
    Verdict.BRAKE: "rejected",
    Verdict.NOT_SENT: "not sent",
    Verdict.THROTTLED: "not sent",
    Verdict.IN_DOUBT: "in doubt",
}


def _outcome_in_words(outcome: Outcome) -> str:
    words = outcome.reason or outcome.verdict.value
    if outcome.code:
        words += f" (code {outcome.code})"
    if outcome.transaction_id:
        words += f", transaction {outcome.transaction_id}"
    if outcome.parts:
        words += f", {counted(outcome.parts, 'part')}"
    if outcome.scope:
        words += f"; in a campaign, this answer would brake the {outcome.scope.value}"
    return words


def _report_in_words(report: SendTestReport) -> str:
    reason = f" ({report.code}, {describe(report.code)})" if report.kind == "failed" else ""
    return f"{report.kind}{reason} at {second_in_india(report.ts)}"


def _indented(mark: str, lines: list[str]) -> list[str]:
    return [f"{mark}{line}".rstrip() for line in lines]


def _as_json(message: SendTestMessage, result: SendTestResult, report: SendTestReport | None) -> dict[str, Any]:
    outcome = result.outcome
    return {
        "id": message.push.correlation_id,
        "sender": message.push.sender,
        "provider": message.provider.nickname,
        "template": message.template or None,
        "matches_template": message.matches_template,
        "refusals": list(message.refusals),
        "verdict": outcome.verdict.value,
        "code": outcome.code,
        "reason": outcome.reason,
        "transaction_id": outcome.transaction_id or None,
        "parts": outcome.parts,
        "http_status": result.answered.status if result.answered else None,
        "seconds": round(result.took_s, 3),
        "report": {"event": report.kind, "code": report.code, "ts": report.ts} if report else None,
    }
