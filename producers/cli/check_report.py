"""The report of ``dispatch check`` as text for people and as JSON for programs.

The report shows values of rows, so that people find bad values; phone numbers are masked. The report is never logged.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from producers.cli.output import INDIA, minute_in_india
from producers.cli.retry_words import retry_rule_in_words
from producers.preflight.report import CheckReport
from producers.rows.refusals import Example
from times_dispatch.plurals import counted
from times_dispatch.settings.values.durations import format_duration
from times_dispatch.settings.values.money import format_rupees

LABEL_WIDTH = 10
"""Columns of the label of a line, with the blanks after it."""
_MAX_REASONS = 10
_MAX_EXAMPLES = 2
_MAX_CHARACTERS = 5
_MAX_VALUE_LENGTH = 60


def report_as_lines(report: CheckReport) -> list[str]:
    """Return a report as lines of text, the most important first."""
    plan = report.plan
    lines = [f"campaign  {plan.name} from {plan.sender} ({plan.category}), template {plan.template}"]
    lines.append(f"file      {report.source}")
    lines += _rows(report)
    lines += _parts(report)
    lines += _money(report)
    lines += _second_tries(report)
    lines += _times(report)
    lines.append(_memory(report))
    lines.append(f"digest    {report.digest}")
    for sample in report.samples:
        encoding = "UCS-2" if sample.unicode else "GSM-7"
        lines.append(f"sample    line {sample.line}, {sample.to}, {encoding}, {counted(sample.parts, 'part')}")
        lines += [f"          | {line}" for line in sample.text.splitlines()]
    lines += [f"warning   {warning}" for warning in report.warnings]
    lines += [f"problem   {problem}" for problem in report.problems] or ["fine      the campaign can be sent"]
    return lines


def report_as_json(report: CheckReport) -> dict[str, Any]:
    """Return a report as one object; times are in ISO 8601 in Asia/Kolkata, money is in rupees, as text."""
    plan, forecast = report.plan, report.forecast
    estimate = forecast.estimate
    return {
        "name": plan.name,
        "sender": plan.sender,
        "template": plan.template,
        "category": plan.category,
        "file": report.source,
        "digest": report.digest,
        "good": report.good,
        "refused": report.refused,
        "examples": {reason: [msgspec.to_builtins(row) for row in rows] for reason, rows in report.examples.items()},
        "rejects": str(report.rejects) if report.rejects else None,
        "opted_out": report.suppressed and report.suppressed.opted_out,
        "dead_numbers": report.suppressed and report.suppressed.dead,
        "forgotten": report.forgotten,
        "repeated": report.suppressed and report.suppressed.repetitions._asdict(),
        "same_people": [
            {"campaign": earlier.id, "name": earlier.name, "share": round(share, 3)}
            for earlier, share in report.overlaps
        ],
        "messages": {"gsm": report.gsm_messages, "ucs2": report.ucs2_messages},
        "parts": {"gsm": report.gsm_parts, "ucs2": report.ucs2_parts},
        "ucs2_because_of": {
            "template": report.template_characters,
            "values": msgspec.to_builtins(report.characters),
            "more": report.more_characters,
        },
        "price_per_part": str(report.price_per_part) if report.price_per_part else None,
        "cost": str(report.cost) if report.cost is not None else None,
        "retry_failed": plan.retry
        and {
            **msgspec.to_builtins(plan.retry),
            "max_parts": report.max_parts_with_tries,
            "max_cost": str(report.max_cost) if report.max_cost is not None else None,
        },
        "max_parts": plan.max_parts or None,
        "max_parts_per_day": forecast.max_parts_per_day or None,
        "parts_today": forecast.parts_today,
        "rate_per_s": forecast.rate_per_s,
        "starts": _iso(estimate.starts),
        "finishes": _iso(estimate.finishes),
        "expires": _iso(estimate.expires),
        "takes_s": round(estimate.takes_s, 1),
        "would_expire": estimate.unsent,
        "ahead": msgspec.to_builtins(report.others),
        "samples": msgspec.to_builtins(report.samples),
        "memory": {"needed_bytes": report.memory.needed_bytes, "left_bytes": report.memory.left_bytes},
        "warnings": report.warnings,
        "problems": report.problems,
    }


def _rows(report: CheckReport) -> Iterator[str]:
    yield f"good      {counted(report.good, 'row')}"
    if report.forgotten:
        yield f"          {report.forgotten:,} of them will be suppressed: a forgotten number"
    if report.suppressed:
        yield from (f"          {line}" for line in report.suppressed.in_words(report.sender))
    where = f", see {report.rejects}" if report.rejects else ""
    yield f"refused   {counted(sum(report.refused.values()), 'row')}{where}"
    for reason, rows in list(report.refused.items())[:_MAX_REASONS]:
        yield f"          {rows:,}: {reason}"
        examples = report.examples.get(reason, [])
        for example in examples[:_MAX_EXAMPLES]:
            yield f"            line {example.line}{_details(example)}"
        if examples:
            yield f"            to do: {examples[0].advice}"
    if (more := len(report.refused) - _MAX_REASONS) > 0:
        yield f"          and {counted(more, 'more reason')}"


def _parts(report: CheckReport) -> Iterator[str]:
    yield f"parts     {report.parts:,}"
    for encoding, messages, parts in (
        ("GSM-7", report.gsm_messages, report.gsm_parts),
        ("UCS-2", report.ucs2_messages, report.ucs2_parts),
    ):
        if messages:
            yield f"          {encoding}: {counted(messages, 'message')} in {counted(parts, 'part')}"
    if report.template_characters:
        yield f"          the template's own text needs UCS-2: {report.template_characters[:40]}"
    for character in report.characters[:_MAX_CHARACTERS]:
        instead = f", could be {character.instead}" if character.instead else ""
        shown = character.character if character.character.isprintable() else " "
        yield f"          {shown} {character.name} forces UCS-2 in {counted(character.messages, 'message')}{instead}"
    if (more := report.more_characters + len(report.characters) - _MAX_CHARACTERS) > 0:
        yield f"          and {counted(more, 'more character')}"


def _money(report: CheckReport) -> Iterator[str]:
    if report.cost is not None and report.price_per_part is not None:
        yield f"cost      {format_rupees(report.cost)}, at Rs {report.price_per_part} a part"
    if budget := report.plan.max_parts:
        fits = "fits" if report.parts <= budget else "does not fit"
        yield f"budget    {counted(budget, 'part')}: the campaign {fits}"
    forecast = report.forecast
    if forecast.max_parts_per_day:
        number = forecast.parts_today
        used = f", of which {number:,} {'is' if number == 1 else 'are'} used today" if number else ""
        yield f"a day     {counted(forecast.max_parts_per_day, 'part')} of sender {report.plan.sender}{used}"


def _second_tries(report: CheckReport) -> Iterator[str]:
    if not (rule := report.plan.retry):
        return
    yield f"again     {retry_rule_in_words(rule)}"
    cost = f", {format_rupees(report.max_cost)}" if report.max_cost is not None else ""
    yield f"          at most {counted(report.max_parts_with_tries, 'part')} in all{cost}, if all fail each time"


def _times(report: CheckReport) -> Iterator[str]:
    estimate, unit = report.forecast.estimate, report.plan.cost_unit
    yield f"starts    {minute_in_india(estimate.starts)}"
    if not estimate.takes_s and not estimate.unsent:
        moment = f"{minute_in_india(estimate.finishes)}, " if estimate.finishes else ""
        yield f"finishes  {moment}as fast as the workers are: no rate is set"
    else:
        others = f", beside {estimate.ahead:,} {unit} of {counted(len(report.others), 'other campaign')}"
        sending = f"{format_duration(estimate.takes_s)} of sending" + (others if estimate.ahead else "")
        yield f"finishes  {minute_in_india(estimate.finishes) if estimate.finishes else 'too late'}, {sending}"
    yield f"expires   {minute_in_india(estimate.expires)}"


def _memory(report: CheckReport) -> str:
    memory = report.memory
    left = "" if memory.left_bytes is None else f", {memory.left_bytes / 1e6:,.1f} MB are left for campaigns"
    return f"memory    about {memory.needed_bytes / 1e6:,.1f} MB of Redis{left}"


def _details(example: Example) -> str:
    number = f", {example.to}" if example.to and example.to != example.value else ""
    if not example.value:
        return number
    cut = "…" if len(example.value) > _MAX_VALUE_LENGTH else ""
    return f"{number}: {example.value[:_MAX_VALUE_LENGTH]!r}{cut}"


def _iso(moment: datetime | None) -> str | None:
    return moment.astimezone(INDIA).isoformat(timespec="seconds") if moment else None
