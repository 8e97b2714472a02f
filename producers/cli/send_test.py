"""``dispatch send-test``: one message to one number, and the exchange with the provider, before any campaign exists."""

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import click
import uvloop
from redis.asyncio import Redis

from producers.cli import CliContext
from producers.cli.output import FiniteFloatRange
from producers.errors import InputInvalid
from producers.testsend import SendTestMessage, SendTestRequest, Sent, prepare, refuse_if_held, send, wait_for_report
from times_dispatch.ledger.connection import check, connect
from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.testsends import SendTestReport
from times_dispatch.provider.diagnostics.transcript import shown_answer, shown_request
from times_dispatch.provider.outcomes import Outcome, Verdict
from times_dispatch.provider.reports.codes import describe
from times_dispatch.settings.load import Need
from times_dispatch.settings.logs import configure, mask
from times_dispatch.settings.model import Settings

_ZONE = ZoneInfo("Asia/Kolkata")
_REPORT_WITHIN_S = 120.0


@click.command("send-test")
@click.option("--country-code", required=True, metavar="91", help="Of the number.")
@click.option("--number", required=True, metavar="9876543210", help="The mobile number, without its country code.")
@click.option("--message", required=True, help="The text, as it is to be sent.")
@click.option("--sender", default="", help="[default: the first that goes through the provider]")
@click.option("--template", default="", help="Whose content id goes along. [default: the first of the sender]")
@click.option("--provider", default="", help="[default: the sender's, or else the default one]")
@click.option("--custom", multiple=True, metavar="NAME=VALUE", help="A custom key-value of the provider's payload.")
@click.option(
    "--wait-report",
    is_flag=False,
    flag_value=_REPORT_WITHIN_S,
    default=None,
    type=FiniteFloatRange(min=0),
    metavar="[SECONDS]",
    help=f"Wait for the delivery report. [default if given: {_REPORT_WITHIN_S:.0f}]",
)
@click.option("--force", is_flag=True, help="Also if the sender is paused, braked or backing off.")
@click.option("--json", "for_programs", is_flag=True, help="One JSON object.")
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
    for_programs: bool,
) -> None:
    """Send one message now, without a campaign, and show what the provider says. It costs what a message costs.

    Needs no worker. The report comes through the receiver and the reconciler, like any other.
    """
    configure(level="warning")
    needs_ledger = not force or wait_report is not None
    need = {Need.IDS, Need.PROVIDERS} | ({Need.LEDGER} if needs_ledger else set())
    settings = options.settings(frozenset(need))
    wish = SendTestRequest(
        number=f"+{country_code.removeprefix('+')}{number}",
        message=message,
        sender=sender,
        template=template,
        provider=provider,
        custom=_pairs(custom),
    )
    trial = prepare(wish, settings)
    if not for_programs:
        for line in _before(trial):
            click.echo(line)
    sent, report = uvloop.run(_run(trial, settings, force=force, wait_s=wait_report, quiet=for_programs))
    if for_programs:
        click.echo(json.dumps(_as_json(trial, sent, report)))
    failed = sent.outcome.verdict is not Verdict.ACCEPTED
    if failed or (wait_report is not None and (report is None or report.kind == "failed")):
        raise SystemExit(1)


async def _run(
    trial: SendTestMessage, settings: Settings, *, force: bool, wait_s: float | None, quiet: bool
) -> tuple[Sent, SendTestReport | None]:
    redis = connect(settings.redis_url) if settings.redis_url and (not force or wait_s is not None) else None
    try:
        if redis:
            await check(redis)
            if not force:
                await refuse_if_held(redis, SenderId(trial.push.sender), trial.provider.nickname)
        sent = await send(trial, redis=redis)
        if not quiet:
            for line in _after(trial, sent):
                click.echo(line)
        report = await _report(redis, trial, sent, wait_s, quiet=quiet)
        return sent, report
    finally:
        if redis:
            await redis.aclose()


async def _report(
    redis: Redis | None, trial: SendTestMessage, sent: Sent, wait_s: float | None, *, quiet: bool
) -> SendTestReport | None:
    if redis is None or wait_s is None or sent.outcome.verdict not in {Verdict.ACCEPTED, Verdict.IN_DOUBT}:
        return None
    report = await wait_for_report(redis, trial, within_s=wait_s)
    if not quiet:
        click.echo(f"report    {_reported(report) if report else f'none within {wait_s:g} s'}")
    return report


def _pairs(given: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not (name and equals):
            raise InputInvalid(f"--custom {name}: must be NAME=VALUE")
        pairs[name.removeprefix("$$")] = value
    return pairs


def _before(trial: SendTestMessage) -> list[str]:
    push, provider = trial.push, trial.provider
    lines = [f"message   {push.correlation_id} from {push.sender} to {mask(push.to)} through {provider.nickname}"]
    if trial.template:
        lines.append(f"template  {trial.template} ({push.content_id})")
        if not trial.fits:
            lines.append("          the message is not this template's text: an operator may drop it, unreported")
    else:
        lines.append("template  none is registered for the sender")
    if trial.lacks_values:
        lines.append(
            "          $$TemplateVariables goes without values: write the message as its template, values filled in"
        )
    return [*lines, *_indented("> ", shown_request(provider, push, mask))]


def _after(trial: SendTestMessage, sent: Sent) -> list[str]:
    lines = []
    if sent.answered:
        lines += _indented("< ", shown_answer(sent.answered, trial.provider, trial.push, mask))
    return [*lines, f"{_VERDICTS[sent.outcome.verdict]:9} {_said(sent.outcome)}, after {sent.took_s * 1000:.0f} ms"]


_VERDICTS = {
    Verdict.ACCEPTED: "accepted",
    Verdict.REJECTED: "rejected",
    Verdict.BRAKE: "rejected",
    Verdict.NOT_SENT: "not sent",
    Verdict.THROTTLED: "not sent",
    Verdict.IN_DOUBT: "in doubt",
}


def _said(outcome: Outcome) -> str:
    said = outcome.reason or outcome.verdict.value
    if outcome.code:
        said += f" (code {outcome.code})"
    if outcome.transaction_id:
        said += f", transaction {outcome.transaction_id}"
    if outcome.parts:
        said += f", {outcome.parts} {'part' if outcome.parts == 1 else 'parts'}"
    if outcome.scope:
        said += f"; it would brake the {outcome.scope.value}"
    return said


def _reported(report: SendTestReport) -> str:
    at = f"{datetime.fromtimestamp(report.ts, _ZONE):%Y-%m-%d %H:%M:%S} IST"
    why = f" ({report.code}, {describe(report.code)})" if report.kind == "failed" else ""
    return f"{report.kind}{why} at {at}"


def _indented(mark: str, lines: list[str]) -> list[str]:
    return [f"{mark}{line}".rstrip() for line in lines]


def _as_json(trial: SendTestMessage, sent: Sent, report: SendTestReport | None) -> dict[str, Any]:
    outcome = sent.outcome
    return {
        "id": trial.push.correlation_id,
        "sender": trial.push.sender,
        "provider": trial.provider.nickname,
        "template": trial.template or None,
        "verdict": outcome.verdict.value,
        "code": outcome.code,
        "reason": outcome.reason,
        "transaction_id": outcome.transaction_id or None,
        "parts": outcome.parts,
        "http_status": sent.answered.status if sent.answered else None,
        "seconds": round(sent.took_s, 3),
        "report": {"event": report.kind, "code": report.code, "ts": report.ts} if report else None,
    }
