"""A bar that shows how far the rows of a recipients file are."""

import contextlib
import sys
from collections.abc import Callable, Iterator

from producers.draft import Draft, Reading

Move = Callable[[Reading], None]


@contextlib.contextmanager
def bar(draft: Draft) -> Iterator[Move | None]:
    """Show a bar on stderr if somebody is looking; the function that it gives moves it on."""
    if not sys.stderr.isatty():
        yield None
        return
    # rich is slow to import, and only for people.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[accepted]:,} accepted, {task.fields[refused]:,} refused"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(draft.paths[1].name, total=1.0, accepted=0, refused=0)

        def move(reading: Reading) -> None:
            refused = reading.rows.refused.total()
            progress.update(task, completed=reading.fraction(), accepted=reading.rows.accepted, refused=refused)

        yield move
