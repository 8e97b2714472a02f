import re

import pytest

from console.charts.columns import ChartColumn, ColumnPiece, column_chart
from console.formats import Formats

F = Formats()


def test_the_largest_column_is_as_high_as_the_chart_and_pieces_stack() -> None:
    columns = [
        ChartColumn(
            "1 am",
            [ColumnPiece("s-delivered", "delivered", 30, "/x?state=delivered"), ColumnPiece("s-accepted", "sent", 10)],
            "/x?hour=1",
        ),
        ChartColumn(
            "2 am", [ColumnPiece("s-delivered", "delivered", 0)], "/x?hour=2", ColumnPiece("s-failed", "errors", 20)
        ),
    ]
    chart = column_chart(columns, F, label="Sent")
    rects = re.findall(r'<rect class="(s-\w+)" x="[\d.]+" y="([\d.]+)" width="[\d.]+" height="([\d.]+)"/>', chart)
    assert [(name, float(top), float(height)) for name, top, height in rects] == [
        ("s-delivered", 40.0, 120.0),
        ("s-accepted", 0.0, 40.0),
        ("s-failed", 80.0, 80.0),
    ]
    assert "<title>1 am: 30 delivered, 10 sent</title>" in chart
    assert "<title>2 am: 20 errors</title>" in chart
    links = re.findall(r'<a href="([^"]+)" tabindex="-1"><title>([^<]+)</title><rect class="([\w-]+)"', chart)
    assert links == [
        ("/x?hour=1", "1 am: 30 delivered, 10 sent", "hit"),
        ("/x?state=delivered", "1 am: 30 delivered, 10 sent", "s-delivered"),
        ("/x?hour=1", "1 am: 30 delivered, 10 sent", "s-accepted"),
        ("/x?hour=2", "2 am: 20 errors", "hit"),
        ("/x?hour=2", "2 am: 20 errors", "s-failed"),
    ]
    assert "<desc>2 columns from 1 am to 2 am; the largest is 40 at 1 am</desc>" in chart


def test_one_message_among_a_million_is_seen() -> None:
    columns = [
        ChartColumn("a", [ColumnPiece("s-failed", "failed", 1)]),
        ChartColumn("b", [ColumnPiece("s-failed", "failed", 1_000_000)]),
    ]
    heights = re.findall(r'height="([\d.]+)"/>', column_chart(columns, F, label="x"))
    assert min(map(float, heights)) >= 1.5


def test_no_columns_make_no_chart_and_hostile_labels_stay_texts() -> None:
    assert column_chart([], F, label="x") == ""
    chart = column_chart([ChartColumn('"><script>', [], '"><b>')], F, label="\u202e")
    assert "<script>" not in chart
    assert "<b>" not in chart
    assert "\u202e" not in chart


@pytest.mark.parametrize(
    ("largest", "scale"),
    [
        (0, ["2", "1", "0"]), (1, ["2", "1", "0"]), (3, ["4", "2", "0"]), (9, ["10", "5", "0"]), (10, ["10", "5", "0"]),
        (40, ["40", "20", "0"]), (99, ["100", "50", "0"]), (1_001, ["1,200", "600", "0"]),
        (31_491, ["40,000", "20,000", "0"]), (24_00_001, ["30,00,000", "15,00,000", "0"]),
    ],
)  # fmt: skip
def test_the_scale_has_round_numbers(largest: int, scale: list[str]) -> None:
    chart = column_chart([ChartColumn("a", [ColumnPiece("s-failed", "failed", largest)])], F, label="x")
    assert re.findall(r"<span>([\d,]+)</span>", chart) == scale
