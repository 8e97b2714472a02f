"""A bar that shows how far the rows of a recipients file are."""

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from producers.draft import Reading


@contextlib.contextmanager
def bar(title: str) -> Iterator[Callable[[Reading], None]]:
    """Show a bar on stderr; the function that it gives moves it on."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[accepted]:,} accepted, {task.fields[refused]:,} refused"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=1.0, accepted=0, refused=0)

        def move(reading: Reading) -> None:
            refused = reading.rows.refused.total()
            progress.update(task, completed=reading.fraction(), accepted=reading.rows.accepted, refused=refused)

        yield move
