"""Bounds how many mistakes of a file are named, and how long each line may be."""

from collections.abc import Iterable

MAX_MISTAKES = 50
"""Mistakes of one file that are named; of the others only the number."""
_MAX_MISTAKE_LENGTH = 1_000


def bounded_mistakes(mistakes: Iterable[str]) -> tuple[str, ...]:
    """Return the first mistakes, each cut to a bounded length, and a line that counts the others."""
    given = tuple(mistakes)
    shown = [line if len(line) <= _MAX_MISTAKE_LENGTH else f"{line[:_MAX_MISTAKE_LENGTH]}…" for line in given]
    more = len(given) - MAX_MISTAKES
    return tuple(shown) if more <= 0 else (*shown[:MAX_MISTAKES], f"and {more:,} more mistakes")
