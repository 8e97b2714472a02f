"""Limits the number of mistakes of a file that are named, and the length of each line."""

from collections.abc import Iterable

from times_dispatch.plurals import counted

MAX_MISTAKES = 50
"""The number of mistakes of one file that are named; further mistakes are only counted."""
_MAX_MISTAKE_LENGTH = 1_000


def bounded_mistakes(mistakes: Iterable[str]) -> tuple[str, ...]:
    """Return the first mistakes, each cut to a maximum length, and a line with the number of further mistakes."""
    given = tuple(mistakes)
    shown = [line if len(line) <= _MAX_MISTAKE_LENGTH else f"{line[:_MAX_MISTAKE_LENGTH]}…" for line in given]
    more = len(given) - MAX_MISTAKES
    return tuple(shown) if more <= 0 else (*shown[:MAX_MISTAKES], f"and {counted(more, 'more mistake')}")
