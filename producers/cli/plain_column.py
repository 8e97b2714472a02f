"""Progress bars with foreign text; apart from the console, because ``rich.progress`` is slow to import."""

from unicodedata import category

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult  # noqa: TID251  # Console as a type only
from rich.constrain import Constrain
from rich.progress import Progress, ProgressColumn, Task
from rich.text import Text

from times_dispatch.visible_text import visible


class PlainProgress(Progress):
    """Progress bars that fit a terminal also if it gives a vowel sign after a letter a column of its own."""

    def get_renderable(self) -> RenderableType:
        """Return the bars, narrower by the number of vowel signs, for which rich counts no columns."""
        signs = max((sum(category(letter) == "Mc" for letter in task.description) for task in self.tasks), default=0)
        return _Narrower(super().get_renderable(), signs)


class _Narrower:
    """Something to print, narrower than the terminal by some columns."""

    def __init__(self, content: RenderableType, columns: int) -> None:
        self._content = content
        self._columns = columns

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Constrain(self._content, options.max_width - self._columns)


class PlainColumn(ProgressColumn):
    """A column of a progress bar that shows one text of the task: its description, or a field of another name."""

    def __init__(self, field: str = "") -> None:
        super().__init__()
        self._field = field

    def render(self, task: Task) -> Text:
        """Return the text of the latest update."""
        return Text(visible(str(task.fields.get(self._field, "") if self._field else task.description)))
