"""A column of a progress bar for foreign text; apart from the console, because ``rich.progress`` is slow to import."""

from rich.progress import ProgressColumn, Task
from rich.text import Text

from times_dispatch.visible_text import visible


class PlainColumn(ProgressColumn):
    """A column of a progress bar that shows one text of the task: its description, or a field of another name."""

    def __init__(self, field: str = "") -> None:
        super().__init__()
        self._field = field

    def render(self, task: Task) -> Text:
        """Return the text of the latest update."""
        return Text(visible(str(task.fields.get(self._field, "") if self._field else task.description)))
