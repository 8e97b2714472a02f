"""Log lines of one kind at most once a second; the numbers of earlier lines are added up in the next line."""

import asyncio
from collections import Counter
from typing import Any, Final

import structlog

EVERY_S: Final = 1.0


class LogSums:
    """Logs the first line of a kind immediately, and the sums of further lines within a second in one line.

    The kind of a line is its level, its event and its texts. The class must be used in an event loop, which logs the
    sums.
    """

    def __init__(self, log: structlog.typing.FilteringBoundLogger, *, every_s: float = EVERY_S) -> None:
        """Make an object for the log lines of a module.

        Args:
            log: the logger that gets the lines.
            every_s: the least time between two lines of a kind, in seconds.
        """
        self._log = log
        self._every_s = every_s
        self._held: dict[tuple[str, str, tuple[tuple[str, str], ...]], Counter[str]] = {}
        """The sums of each kind that was logged less than ``every_s`` ago; the key "lines" counts the lines."""

    def info(self, event: str, /, **fields: Any) -> None:
        """Log a line of the level info; see ``add``."""
        self.add("info", event, **fields)

    def error(self, event: str, /, **fields: Any) -> None:
        """Log a line of the level error; see ``add``."""
        self.add("error", event, **fields)

    def add(self, level: str, event: str, /, **fields: Any) -> None:
        """Log a line, or add its numbers to the next line of its kind.

        Args:
            level: the level of the line.
            event: the event, a constant text.
            fields: whole numbers, which are added up, and texts, which belong to the kind of the line.
        """
        texts = tuple((name, value) for name, value in fields.items() if not isinstance(value, int))
        numbers = {name: value for name, value in fields.items() if isinstance(value, int)}
        kind = (level, event, texts)
        if (held := self._held.get(kind)) is not None:
            held.update(numbers, lines=1)
            return
        getattr(self._log, level)(event, **fields)
        self._begin(kind)

    def flush(self) -> None:
        """Log all sums that are not logged yet; for the end of a process."""
        kinds = [kind for kind, held in self._held.items() if held]
        for kind in kinds:
            self._log_sums(kind)

    def _begin(self, kind: tuple[str, str, tuple[tuple[str, str], ...]]) -> None:
        self._held[kind] = Counter()
        asyncio.get_running_loop().call_later(self._every_s, self._end, kind)

    def _end(self, kind: tuple[str, str, tuple[tuple[str, str], ...]]) -> None:
        if self._held[kind]:
            self._log_sums(kind)
            self._begin(kind)
        else:
            del self._held[kind]

    def _log_sums(self, kind: tuple[str, str, tuple[tuple[str, str], ...]]) -> None:
        level, event, texts = kind
        getattr(self._log, level)(event, **dict(texts), **self._held[kind])
        self._held[kind] = Counter()
