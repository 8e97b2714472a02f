"""The error of invalid settings, with all mistakes, and the end of a message about an unknown name."""

from collections.abc import Iterable

from times_dispatch.bounded_mistakes import bounded_mistakes
from times_dispatch.similar_names import similar_name

_MAX_NAMES = 50


class SettingsInvalid(Exception):
    """The settings have mistakes; each mistake is one line with file, line and path, and without secrets."""

    def __init__(self, mistakes: Iterable[str]) -> None:
        self.mistakes = bounded_mistakes(mistakes)
        super().__init__("\n".join(self.mistakes))


def closest(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: ``; did you mean TIMESM?``, or a list of the known names."""
    names = sorted(known)
    if similar := similar_name(name, names):
        return f"; did you mean {similar}?"
    if len(names) > _MAX_NAMES:
        return f"; there is {', '.join(names[:_MAX_NAMES])} and {len(names) - _MAX_NAMES:,} more"
    return f"; there is {', '.join(names)}" if names else "; there is none"
