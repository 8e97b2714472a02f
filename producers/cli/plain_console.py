"""A rich console for foreign text: it reads no markup in a text, and shows control characters as escapes."""

from typing import Any

from rich.console import Console  # noqa: TID251  # the one console of the command line
from rich.text import Text

from times_dispatch.visible_text import visible


class PlainConsole(Console):
    """Prints texts and the cells of tables as they are, each on one line; styles come as arguments only."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, soft_wrap=True, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Make rich's text object; rich calls this method for every text of a line, a cell, a heading and a title."""
        return super().render_str(visible(text), **options)
