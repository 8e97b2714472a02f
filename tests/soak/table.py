"""Formats the results of a soak in Markdown: a table of counts, and a table of values that must not grow."""

import math
from collections.abc import Iterator, Sequence

from tests.soak.run import SoakResult
from tests.soak.trend import Trend
from tests.soak.verdict import CountRow, GrowthRow, growth_rows, kept_row

_TOO_SHORT = "too short"


class SoakTables:
    """The tables of a result, and whether every row holds."""

    def __init__(self, result: SoakResult) -> None:
        self.result = result
        self.counts = count_rows(result)
        self.growth = growth_rows(result.sampler)

    @property
    def holds(self) -> bool:
        """Whether every count is as required and no value grows. A run that is too short proves only the counts."""
        return all(row.holds for row in self.counts) and not any(row.trend and row.trend.grows for row in self.growth)

    def lines(self) -> Iterator[str]:
        """Yield the lines of both tables."""
        yield from ("| count | value | must be | |", "|---|---|---|---|")
        for count in self.counts:
            yield f"| {count.name} | {count.value} | {count.must_be} | {'yes' if count.holds else '**NO**'} |"
        yield from ("", "| value | start | middle | end | an hour | may rise | |", "|---|---|---|---|---|---|---|")
        yield from map(growth_line, self.growth)
        yield from ("", f"Some process of this machine waited for a CPU {self.result.cpu_pressure:.0%} of the time.")
        if self.result.audit.examples:
            yield from ("", "Mistakes:", *(f"- {example}" for example in self.result.audit.examples))


def count_rows(result: SoakResult) -> list[CountRow]:
    """Return the rows of the counts at the end of a run."""
    audit, viewers = result.audit, result.viewers
    unknown = result.accepted_ids - audit.accepted
    return [
        _happened("campaigns", audit.campaigns, f"{audit.campaigns:,} with {audit.messages:,} messages"),
        _happened("faults", result.faults, f"{result.faults:,}, {result.kills:,} of them kill -9"),
        _happened(
            "events that viewers saw",
            viewers.events,
            f"{viewers.events:,} by {result.plan.viewers} viewers, {viewers.pages:,} pages; "
            f"{viewers.lost:,} times no answer",
        ),
        _zero("accepted twice", audit.accepted_twice + result.accepted_again),
        _zero("lost", audit.lost),
        _zero("not sent in time", audit.not_sent),
        _zero("differences with the books", audit.differences),
        _zero("accepted ids that belong to no message", unknown),
        _zero("clicks that were redirected, and lost or counted twice", audit.wrong_clicks, f" of {audit.clicks:,}"),
        _zero("campaigns that were not compared with the books", audit.unseen + result.uncompared),
        CountRow("`dispatch archive verify`", result.archives, "0 wrong", result.archives_hold),
        _zero("counters that differ from a recount", result.wrong_recounts, f" ({result.recounted:,} messages)"),
        _zero("inbound connections that are held while the clients are idle", result.inbound_at_rest),
        kept_row(result.sampler.keys),
        CountRow("messages sent again by rule", f"{audit.retried:,}", "", True),
        CountRow("messages given up in doubt", f"{audit.in_doubt:,}", "", True),
    ]


def growth_line(row: GrowthRow) -> str:
    """Return the line of one value in the table of growth."""
    if row.trend is None:
        return f"| {row.name} | | | | | | {_TOO_SHORT} |"
    verdict = "not judged" if math.isinf(row.trend.allowed) else "**GROWS**" if row.trend.grows else "steady"
    return f"| {row.name} | {' | '.join(_cells(row.trend))} | {verdict} |"


def _cells(trend: Trend) -> Sequence[str]:
    numbers = (trend.start, trend.middle, trend.end)
    return [
        *map(_number, numbers),
        f"{'+' if trend.per_hour > 0 else ''}{_number(trend.per_hour)}",
        "" if math.isinf(trend.allowed) else _number(trend.allowed),
    ]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}"


def _zero(name: str, number: int, more: str = "") -> CountRow:
    return CountRow(name, f"{number:,}{more}", "0", number == 0)


def _happened(name: str, number: int, value: str) -> CountRow:
    return CountRow(name, value, "some", number > 0)
