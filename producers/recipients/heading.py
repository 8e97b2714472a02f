"""The heading of a recipients file: the names of its columns."""

import difflib
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from producers.errors import InputInvalid

_LOOKS_LIKE_DATA = re.compile(r"\d[\d\s.-]{5,}\d")


class Heading:
    """The columns of a file. A name is found whatever its case and the spaces around it.

    Raises InputInvalid if two columns have the same name; columns without a name do not count.
    """

    def __init__(self, path: Path, line: int, names: Iterable[str]) -> None:
        self.path = path
        self.line = line
        self.names = tuple(name.strip() for name in names)
        self._looks_like_data = any(map(_LOOKS_LIKE_DATA.search, self.names))
        self._index = {_key(name): index for index, name in reversed(list(enumerate(self.names))) if name}
        counts = Counter(_key(name) for name in self.names if name)
        if not self._looks_like_data and (twice := [key for key, count in counts.items() if count > 1]):
            raise InputInvalid(f"{path}:{line}: two columns are named {twice[0]}; rename or delete one of them")

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int | None:
        """Return the index of the column with a name, or None."""
        return self._index.get(_key(name))

    def nearest(self, name: str) -> str | None:
        """Return the name of a column that is similar to an unknown name, or None."""
        close = difflib.get_close_matches(_key(name), self._index, n=1)
        return self.names[self._index[close[0]]] if close else None

    def described(self) -> str:
        """List the columns in words. A first row that looks like data is not shown: it holds somebody's number."""
        if self._looks_like_data:
            return "the first row looks like a recipient, it must name the columns"
        return f"its columns are {', '.join(name for name in self.names if name) or 'without names'}"


def is_among(name: str, names: Iterable[str]) -> bool:
    """Say whether a name is among others, whatever its case and the spaces around it."""
    return _key(name) in map(_key, names)


def _key(name: str) -> str:
    return name.strip().casefold()
