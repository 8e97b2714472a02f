"""The charts of statistics: the course over hours or days, and the time until delivery."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Final

from markupsafe import Markup

from console.charts.columns import ChartColumn, ColumnPiece, column_chart
from console.formats import Formats, NumberForm
from times_dispatch.ledger.statistics.delivery_times import DeliveryTimes, bounds_s
from times_dispatch.ledger.statistics.figures import Course

_EPOCH: Final = date(1970, 1, 1)
_MAX_HOURS: Final = 24 * 4
"""A course with more hours than this is shown by days."""
_MIN_HOURS: Final = 8
"""A course with fewer hours gets empty hours at its end, so that few columns do not fill the chart."""

_STATES_OF_PIECES: Final = ("delivered", "accepted,failed,no_report", "failed,rejected,given_up")
"""The states of the messages that each piece of a column counts, and of those that the figure beside it counts."""


def course_chart(course: Mapping[int, Course], f: Formats, *, href: str) -> Markup:
    """Return the chart of a course by hours, or by days if the course is long; hours count since the epoch in India."""
    return column_chart(course_columns(course, f, href=href), f, label="Sent by hour")


def course_columns(course: Mapping[int, Course], f: Formats, *, href: str) -> list[ChartColumn]:
    """Return a column for each hour from the first to the last, or for each day of a long course."""
    if not course:
        return []
    first, last = min(course), max(course)
    if last - first < _MAX_HOURS:
        last = max(last, first + _MIN_HOURS - 1)
        return [
            course_column(hour_label(hour, f), course.get(hour, Course()), href, when=f"hour={hour}")
            for hour in range(first, last + 1)
        ]
    days = dict[int, list[Course]]()
    for hour, each in course.items():
        days.setdefault(hour // 24, []).append(each)
    return [
        course_column(f.day(day_of_epoch(day).isoformat()), summed(days.get(day, [])), href, when=f"day={day}")
        for day in range(first // 24, last // 24 + 1)
    ]


def delivery_chart(times: DeliveryTimes, f: Formats, *, href: str) -> Markup:
    """Return the histogram of the time until delivery."""
    if not times.messages:
        return Markup("")
    buckets = range(min(times.counts), max(times.counts) + 1)
    known = [bucket for bucket in buckets if bucket == 0 or bounds_s(bucket)[1] > 1]
    columns = [
        ChartColumn(
            bucket_label(bucket, f),
            [ColumnPiece("s-delivered", "delivered", times.counts.get(bucket, 0))],
            f"{href}?state=delivered&bucket={bucket}",
        )
        for bucket in known
    ]
    return column_chart(columns, f, label="Time until delivery")


def bucket_label(bucket: int, f: Formats) -> str:
    """Return the times that a bucket counts: ``2.0 s to 2.4 s``."""
    shortest, longest = bounds_s(bucket)
    if not shortest:
        return f"below {f.duration(longest)}"
    words = f.duration(shortest), f.duration(longest)
    return f"{words[0]} to {words[1]}" if words[0] != words[1] else f"{shortest:.2f} s to {longest:.2f} s"


def hour_label(hour: int, f: Formats) -> str:
    """Return an hour since the epoch, counted in India, with its day."""
    day, of_day = divmod(hour, 24)
    written = f.day(day_of_epoch(day).isoformat())
    if f.form is NumberForm.INTERNATIONAL:
        return f"{written} {of_day:02}:00"
    return f"{written}, {of_day % 12 or 12} {'am' if of_day < 12 else 'pm'}"


def day_of_epoch(day: int) -> date:
    """Return the date of a day since the epoch."""
    return _EPOCH + timedelta(days=day)


def course_column(label: str, course: Course, href: str, *, when: str = "") -> ChartColumn:
    """Return the column of an hour or a day: the sent messages, as delivered and others; and errors beside it.

    Errors are no part of the column, because rejected messages were never sent.

    Args:
        label: the hour or the day in words.
        course: its figures.
        href: the address of the list.
        when: the parameter of a list of messages that chooses the hour or the day; each piece then leads to its own
            messages. Empty if the address is complete.
    """
    hrefs = [f"{href}?state={states}&{when}" if when else "" for states in _STATES_OF_PIECES]
    return ChartColumn(
        label,
        [
            ColumnPiece("s-delivered", "delivered", course.delivered, hrefs[0]),
            ColumnPiece("s-accepted", "sent and not delivered", max(0, course.sent - course.delivered), hrefs[1]),
        ],
        f"{href}?{when}" if when else href,
        ColumnPiece("s-failed", "errors", course.errors, hrefs[2]),
    )


def summed(several: Sequence[Course]) -> Course:
    """Return the sums of several courses."""
    return Course(
        sent=sum(each.sent for each in several),
        delivered=sum(each.delivered for each in several),
        errors=sum(each.errors for each in several),
        clicked=sum(each.clicked for each in several),
    )
