"""What ``dispatch check`` prints: for people, and as one object for programs.

Values of rows are shown here, because that is what the command is for; their numbers are masked. None of it is logged.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from producers.preflight.report import CheckReport
from producers.rows.refusals import Example
from times_dispatch.settings.durations import format_duration
from times_dispatch.settings.money import format_rupees
from times_dispatch.sms.rules.window import INDIA_ZONE

_REASONS_SHOWN = 10
_EXAMPLES_SHOWN = 2
_CHARACTERS_SHOWN = 5
_VALUE_SHOWN = 60
_ZONE = ZoneInfo(INDIA_ZONE)


def as_text(report: CheckReport) -> str:
    """Word a report, the most important first."""
    plan = report.plan
    lines = [f"campaign  {plan.name} from {plan.sender} ({plan.category}), template {plan.template}"]
    lines += _rows(report)
    lines += _parts(report)
    lines += _money(report)
    lines += _times(report)
    for sample in report.samples:
        encoding = "UCS-2" if sample.unicode else "GSM-7"
        lines.append(f"sample    line {sample.line}, {sample.to}, {encoding}, {_counted(sample.parts, 'part')}")
        lines += [f"          | {line}" for line in sample.text.splitlines()]
    lines += [f"warning   {warning}" for warning in report.warnings]
    lines += [f"problem   {problem}" for problem in report.problems] or ["fine      it can be sent"]
    return "\n".join(lines)


def as_json(report: CheckReport) -> dict[str, Any]:
    """Return a report as one object; times in ISO 8601 in Asia/Kolkata, money in rupees as text."""
    plan, forecast = report.plan, report.outlook
    return {
        "name": plan.name,
        "sender": plan.sender,
        "template": plan.template,
        "category": plan.category,
        "good": report.good,
        "refused": report.refused,
        "examples": {reason: [msgspec.to_builtins(row) for row in rows] for reason, rows in report.examples.items()},
        "rejects": str(report.rejects) if report.rejects else None,
        "opted_out": report.opted_out,
        "messages": {"gsm": report.gsm_messages, "ucs2": report.ucs2_messages},
        "parts": {"gsm": report.gsm_parts, "ucs2": report.ucs2_parts},
        "ucs2_because_of": {
            "template": report.template_characters,
            "values": msgspec.to_builtins(report.characters),
            "more": report.more_characters,
        },
        "price_per_part": str(report.price_per_part) if report.price_per_part else None,
        "cost": str(report.cost) if report.cost is not None else None,
        "most_parts": plan.most_parts or None,
        "most_parts_per_day": report.most_parts_per_day or None,
        "parts_today": report.parts_today,
        "rate_per_s": report.rate_per_s,
        "starts": _iso(forecast.starts),
        "finishes": _iso(forecast.finishes),
        "expires": _iso(forecast.expires),
        "takes_s": round(forecast.takes_s, 1),
        "would_expire": forecast.unsent,
        "ahead": msgspec.to_builtins(report.others),
        "samples": msgspec.to_builtins(report.samples),
        "warnings": report.warnings,
        "problems": report.problems,
    }


def _rows(report: CheckReport) -> Iterator[str]:
    yield f"good      {_counted(report.good, 'row')}"
    if report.opted_out:
        yield f"          {report.opted_out:,} of them will be suppressed: on the opt-out list"
    where = f", see {report.rejects}" if report.rejects else ""
    yield f"refused   {_counted(sum(report.refused.values()), 'row')}{where}"
    for reason, rows in list(report.refused.items())[:_REASONS_SHOWN]:
        yield f"          {rows:,}: {reason}"
        examples = report.examples.get(reason, [])
        for row in examples[:_EXAMPLES_SHOWN]:
            yield f"            line {row.line}{_shown(row)}"
        if examples:
            yield f"            to do: {examples[0].to_do}"
    if (more := len(report.refused) - _REASONS_SHOWN) > 0:
        yield f"          and {more:,} more reasons"


def _parts(report: CheckReport) -> Iterator[str]:
    yield f"parts     {report.parts:,}"
    for encoding, messages, parts in (
        ("GSM-7", report.gsm_messages, report.gsm_parts),
        ("UCS-2", report.ucs2_messages, report.ucs2_parts),
    ):
        if messages:
            yield f"          {encoding}: {_counted(messages, 'message')} in {_counted(parts, 'part')}"
    if report.template_characters:
        yield f"          the template's own text needs UCS-2: {report.template_characters[:40]}"
    for it in report.characters[:_CHARACTERS_SHOWN]:
        instead = f", could be {it.instead}" if it.instead else ""
        shown = it.character if it.character.isprintable() else " "
        yield f"          {shown} {it.name} forces UCS-2 in {_counted(it.messages, 'message')}{instead}"
    if (more := report.more_characters + len(report.characters) - _CHARACTERS_SHOWN) > 0:
        yield f"          and {_counted(more, 'more character')}"


def _money(report: CheckReport) -> Iterator[str]:
    if report.cost is not None and report.price_per_part is not None:
        yield f"cost      {format_rupees(report.cost)}, at Rs {report.price_per_part} a part"
    if allowed := report.plan.most_parts:
        fits = "fits" if report.parts <= allowed else "does not fit"
        yield f"budget    {_counted(allowed, 'part')}: it {fits}"
    if per_day := report.most_parts_per_day:
        used = f", of which {report.parts_today:,} are used today" if report.parts_today else ""
        yield f"a day     {_counted(per_day, 'part')} of sender {report.plan.sender}{used}"


def _times(report: CheckReport) -> Iterator[str]:
    forecast, unit = report.outlook, report.plan.cost_unit
    yield f"starts    {_moment(forecast.starts)}"
    if not forecast.takes_s and not forecast.unsent:
        at = f"{_moment(forecast.finishes)}, as" if forecast.finishes else "as"
        yield f"finishes  {at} fast as the workers are: no rate is set"
    else:
        beside = f", beside {forecast.ahead:,} {unit} of {_counted(len(report.others), 'other campaign')}"
        how = f"{format_duration(forecast.takes_s)} of sending" + (beside if forecast.ahead else "")
        yield f"finishes  {_moment(forecast.finishes) if forecast.finishes else 'too late'}, {how}"
    yield f"expires   {_moment(forecast.expires)}"


def _shown(row: Example) -> str:
    value = f": {row.value[:_VALUE_SHOWN]!r}{'…' if len(row.value) > _VALUE_SHOWN else ''}" if row.value else ""
    return (f", {row.to}" if row.to and row.to != row.value else "") + value


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _iso(moment: datetime | None) -> str | None:
    return moment.astimezone(_ZONE).isoformat(timespec="seconds") if moment else None


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(_ZONE):%Y-%m-%d %H:%M} IST"
