"""The error of invalid settings, with all mistakes; the words about an unknown name."""

from collections.abc import Iterable

from times_dispatch.similar_names import similar_name

MAX_MISTAKES = 50
"""Mistakes of one file that are named; of the others only the number."""
_MAX_MISTAKE_LENGTH = 1_000
_MAX_NAMES = 50


class SettingsInvalid(Exception):
    """The settings have mistakes: one line for each, with its file, line and path, and without secrets."""

    def __init__(self, mistakes: Iterable[str]) -> None:
        self.mistakes = bounded_mistakes(mistakes)
        super().__init__("\n".join(self.mistakes))


def bounded_mistakes(mistakes: Iterable[str]) -> tuple[str, ...]:
    """Return the first mistakes, each cut to a bounded length, and a line that counts the others."""
    given = tuple(mistakes)
    shown = [line if len(line) <= _MAX_MISTAKE_LENGTH else f"{line[:_MAX_MISTAKE_LENGTH]}…" for line in given]
    more = len(given) - MAX_MISTAKES
    return tuple(shown) if more <= 0 else (*shown[:MAX_MISTAKES], f"and {more:,} more mistakes")


def closest(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: ``; did you mean TIMESM?``, or a list of the known names."""
    names = sorted(known)
    if similar := similar_name(name, names):
        return f"; did you mean {similar}?"
    if len(names) > _MAX_NAMES:
        return f"; there is {', '.join(names[:_MAX_NAMES])} and {len(names) - _MAX_NAMES:,} more"
    return f"; there is {', '.join(names)}" if names else "; there is none"
