"""A rich console for foreign text: the console ignores markup and shows control characters as escapes."""

from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType  # noqa: TID251  # the one console of the command line
from rich.measure import measure_renderables
from rich.segment import Segment
from rich.table import Column, Table
from rich.text import Text

from producers.cli.wrapping import wrapped
from times_dispatch.visible_text import visible

_WIDE = 100_000
"""More columns than any table needs."""
_GAP = 2
"""Columns of blanks between two columns of a table."""


class PlainConsole(Console):
    """Prints texts and the cells of tables unchanged, each on one line; styles are only set by arguments."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, soft_wrap=True, **options)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print texts and tables; a line of a table ends with its last letter, without blanks at its end.

        A table that is too wide for the terminal becomes a list: each row is a line with the first cell, and a line
        with heading and text for each other cell.
        """
        super().print(*(each if isinstance(each, str | Text) else _Trimmed(each) for each in objects), **options)

    def print_line(self, line: str, *, bold: int = 0, indent: int = 2) -> None:
        """Print a line; a line that is longer than the terminal is wide is broken between words.

        Args:
            line: text without line breaks.
            bold: how many of the first characters of the line are bold.
            indent: columns of blanks before the second and later lines.
        """
        first, *others = wrapped(visible(line), self.width, indent)
        text = Text(first)
        text.stylize("bold", 0, bold)
        self.print(text, *map(Text, others), sep="\n")

    def fits(self, table: Table) -> bool:
        """Return whether the terminal is wide enough for a table in which no word is cut."""
        return self._room(table, [least for least, _ in self._least_and_most(table)]) >= 0

    def share_room(self, table: Table) -> None:
        """Give each column of a table that fits its least width, and divide the rest of the terminal's width.

        Columns whose lines are broken get their share of the rest before columns whose lines are cut.
        """
        widths = self._least_and_most(table)
        room = self._room(table, [least for least, _ in widths])
        shares = zip(table.columns, widths, strict=True)
        for column, (least, most) in sorted(shares, key=lambda share: share[0].no_wrap):
            more = min(room, most - least)
            column.width, room = least + more, room - more

    def _room(self, table: Table, widths: list[int]) -> int:
        return self.width - sum(widths) - _GAP * (len(table.columns) - 1)

    def _least_and_most(self, table: Table) -> list[tuple[int, int]]:
        """Return the least and the greatest width that each column of a table needs, in columns of the terminal.

        The least width is the width of the longest word. For a column with ``no_wrap``, the least width is
        ``min_width``, or else the width of the longest line.
        """
        return [self._width_of(column) for column in table.columns]

    def _width_of(self, column: Column) -> tuple[int, int]:
        measured = measure_renderables(self, self.options.update_width(_WIDE), [column.header, *column.cells])
        most = measured.maximum
        return (min(column.min_width or most, most) if column.no_wrap else measured.minimum), most

    def render_str(self, text: str, **options: Any) -> Text:
        """Make rich's text object; rich calls this method for every text of a line, a cell, a heading and a title."""
        return super().render_str(visible(text), **options)


class _Trimmed:
    """A table without blanks at the end of its lines; a word longer than its column is broken into lines, not cut."""

    def __init__(self, table: RenderableType) -> None:
        self._table = table
        for column in getattr(table, "columns", ()):
            if not column.no_wrap:
                column.overflow = "fold"

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment | Text]:
        if isinstance(self._table, Table) and isinstance(console, PlainConsole):
            if not console.fits(self._table):
                yield from _as_list(self._table, options.max_width)
                return
            console.share_room(self._table)
        for line in Segment.split_lines(console.render(self._table, options)):
            yield from _without_last_blanks(line)
            yield Segment.line()


def _as_list(table: Table, width: int) -> Iterator[Text]:
    """Return the lines of a table as a list."""
    headings = [str(column.header) for column in table.columns]
    label_width = max(map(len, headings[1:]), default=0)
    for first, *others in zip(*(column.cells for column in table.columns), strict=True):
        yield Text(visible(str(first)), style="bold")
        for heading, cell in zip(headings[1:], others, strict=True):
            if str(cell):
                line = f"  {heading:<{label_width}}  {visible(str(cell))}"
                yield from map(Text, wrapped(line, width, _GAP + label_width + _GAP))


def _without_last_blanks(line: Iterable[Segment]) -> list[Segment]:
    segments = list(line)
    while segments:
        text, style, control = segments.pop()
        if control or (text := text.rstrip(" ")):
            return [*segments, Segment(text, style, control)]
    return []
