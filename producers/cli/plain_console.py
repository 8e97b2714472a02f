"""A rich console for foreign text: it reads no markup in a text, and shows control characters as escapes."""

from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType  # noqa: TID251  # the one console of the command line
from rich.segment import Segment
from rich.text import Text

from times_dispatch.visible_text import visible


class PlainConsole(Console):
    """Prints texts and the cells of tables as they are, each on one line; styles come as arguments only."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, soft_wrap=True, **options)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print texts and tables; a line of a table ends with its last letter, and not with the width of its column."""
        super().print(*(each if isinstance(each, str | Text) else _Trimmed(each) for each in objects), **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Make rich's text object; rich calls this method for every text of a line, a cell, a heading and a title."""
        return super().render_str(visible(text), **options)


class _Trimmed:
    """A table without the blanks at the end of its lines; a long word goes on in the next line, and is not cut."""

    def __init__(self, table: RenderableType) -> None:
        self._table = table
        for column in getattr(table, "columns", ()):
            if not column.no_wrap:
                column.overflow = "fold"

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for line in Segment.split_lines(console.render(self._table, options)):
            yield from _without_last_blanks(line)
            yield Segment.line()


def _without_last_blanks(line: Iterable[Segment]) -> list[Segment]:
    segments = list(line)
    while segments:
        text, style, control = segments.pop()
        if control or (text := text.rstrip(" ")):
            return [*segments, Segment(text, style, control)]
    return []
