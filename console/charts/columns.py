"""A chart of columns, for a course over time or a histogram; columns and their coloured pieces are links."""

from collections.abc import Sequence
from typing import Final

import msgspec
from markupsafe import Markup

from console.formats import Formats
from times_dispatch.visible_text import visible

_WIDTH: Final = 1000
_HEIGHT: Final = 160
_MIN_HEIGHT: Final = 1.5
_GAP: Final = 0.18
"""The share of a column's slot that stays empty."""
_SMALL_ENDS: Final = (2, 4, 6, 8, 10)
_ENDS: Final = (10, 12, 16, 20, 24, 30, 40, 50, 60, 80, 100)
"""Where a scale may end, for numbers of one digit and of two digits."""
_SHARE_OF_COLUMN: Final = 0.72
"""The share of the rest of the slot that the column takes if another column stands beside it."""


class ColumnPiece(msgspec.Struct, frozen=True):
    """A part of a column."""

    css_class: str
    """The CSS class that gives the piece its colour: ``s-delivered``."""
    words: str
    number: int
    href: str = ""
    """The address of the list of messages that the piece counts; empty: the address of the column."""


class ChartColumn(msgspec.Struct, frozen=True):
    """One slot on the horizontal axis."""

    label: str
    """The text below the column: ``8 Nov 2026``, ``10 am``, ``2 to 4 s``."""
    pieces: Sequence[ColumnPiece]
    """The pieces of the column, from the bottom to the top."""
    href: str = ""
    """The address of the list of messages that the column counts; empty if there is no list."""
    beside: ColumnPiece | None = None
    """A figure that is not part of the column, and stands beside the column."""

    @property
    def total(self) -> int:
        """The sum of the numbers of all pieces."""
        return sum(piece.number for piece in self.pieces)

    @property
    def height(self) -> int:
        """The larger of two numbers: the total of the column, and the figure beside the column."""
        return max(self.total, self.beside.number if self.beside else 0)


def column_chart(columns: Sequence[ChartColumn], f: Formats, *, label: str) -> Markup:
    """Return a chart with its scale, as an HTML figure; empty without columns.

    Args:
        columns: from the left to the right.
        f: writes the numbers.
        label: what the chart is about, for screen readers.
    """
    if not columns:
        return Markup("")
    top = _top(max(column.height for column in columns))
    slot = _WIDTH / len(columns)
    drawn = Markup("").join(
        _column(column, f, left=slot * index, slot=slot, top=top) for index, column in enumerate(columns)
    )
    marks = [columns[0], columns[len(columns) // 2], columns[-1]] if len(columns) > 2 else list(columns)
    axis = Markup("").join(Markup("<span>{}</span>").format(visible(mark.label)) for mark in marks)
    largest = max(columns, key=lambda column: column.total)
    description = (
        f"{len(columns)} columns from {columns[0].label} to {columns[-1].label}; "
        f"the largest is {f.number(largest.total)} at {largest.label}"
    )
    return Markup(
        '<div class="chart"><div class="scale" aria-hidden="true"><span>{top}</span><span>{half}</span>'
        '<span>0</span></div><svg class="columns" viewBox="0 0 {width} {height}" preserveAspectRatio="none"'
        ' role="group" aria-label="{label}">'
        "<desc>{description}</desc>"
        '<path class="grid" d="M0 .5H{width}M0 {middle}H{width}"/>{drawn}</svg>'
        '<div class="axis" aria-hidden="true">{axis}</div></div>'
    ).format(
        top=f.number(top),
        half=f.number(top // 2),
        width=_WIDTH,
        height=_HEIGHT,
        middle=_HEIGHT / 2,
        label=visible(f"{label}: {description}"),
        description=visible(description),
        drawn=drawn,
        axis=axis,
    )


def _column(column: ChartColumn, f: Formats, *, left: float, slot: float, top: int) -> Markup:
    """Return one column.

    Args:
        column: the column.
        f: writes the numbers.
        left: where its slot begins.
        slot: the width of its slot.
        top: the number whose column is as high as the chart.
    """
    inner, begin = slot * (1 - _GAP), left + slot * _GAP / 2
    width = inner * _SHARE_OF_COLUMN if column.beside else inner
    beside = (column.beside,) if column.beside else ()
    words = ", ".join(f"{f.number(piece.number)} {piece.words}" for piece in (*column.pieces, *beside) if piece.number)
    title = f"{column.label}: {words or 'none'}"
    hit = Markup('<rect class="hit" x="{}" y="0" width="{}" height="{}"/>').format(
        f"{left:.2f}", f"{slot:.2f}", _HEIGHT
    )
    drawn, bottom = [_linked(hit, column.href, title)], float(_HEIGHT)
    for piece in column.pieces:
        height = _height(piece.number, top)
        bottom -= height
        rect = _rect(piece, begin, bottom, width, height)
        drawn.append(_linked(rect, piece.href or column.href, title))
    if column.beside:
        height = _height(column.beside.number, top)
        rect = _rect(column.beside, begin + width, _HEIGHT - height, inner - width, height)
        drawn.append(_linked(rect, column.beside.href or column.href, title))
    return Markup("<g>{}</g>").format(Markup("").join(drawn))


def _linked(rect: Markup, href: str, title: str) -> Markup:
    """Return a rectangle as a link, if there is an address, with a title; nothing without a rectangle."""
    if not rect:
        return rect
    inner = Markup("<title>{}</title>{}").format(visible(title), rect)
    if not href:
        return Markup("<g>{}</g>").format(inner)
    return Markup('<a href="{}" tabindex="-1">{}</a>').format(href, inner)


def _top(number: int) -> int:
    """Return the end of the scale: a round number that is at least *number*, and whose half is round, too."""
    digits = max(len(str(number)) - 1, 0)
    ends = _SMALL_ENDS if digits == 0 else [end * 10 ** (digits - 1) for end in _ENDS]
    return next(end for end in ends if end >= number)


def _height(number: int, top: int) -> float:
    return max(_MIN_HEIGHT, _HEIGHT * number / top) if number > 0 else 0.0


def _rect(piece: ColumnPiece, left: float, top: float, width: float, height: float) -> Markup:
    """Return the rectangle of a piece; nothing for a piece without messages.

    Args:
        piece: the piece of a column.
        left: the left edge, in units of the chart.
        top: the upper edge, in units of the chart.
        width: the width, in units of the chart.
        height: the height, in units of the chart.
    """
    if piece.number <= 0:
        return Markup("")
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>').format(
        piece.css_class, f"{left:.2f}", f"{max(0.0, top):.2f}", f"{width:.2f}", f"{height:.2f}"
    )
