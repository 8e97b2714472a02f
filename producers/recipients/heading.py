"""The heading of a recipients file: the names of its columns."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from producers.errors import InputInvalid
from producers.recipients.cell_text import tidy
from times_dispatch.plurals import counted
from times_dispatch.similar_names import similar_name

_WORD = re.compile(r"[^\W_]+")
_MIN_DIGITS_OF_NUMBER = 10
_NUMBER_WORDS = frozenset(
    {
        "cell",
        "cellphone",
        "contact",
        "mob",
        "mobile",
        "mobileno",
        "mobilenumber",
        "msisdn",
        "number",
        "numbers",
        "phone",
    }
    | {"phoneno", "phonenumber", "recipient", "tel", "telephone", "whatsapp"}
)
_INDIAN_NUMBER_WORDS = (
    *("मोबाइल", "मोबाईल", "मोबाइल", "फोन", "फ़ोन", "फ़ोन", "दूरभाष", "संपर्क", "सम्पर्क", "व्हाट्सएप", "भ्रमणध्वनी", "नंबर"),
    *("மொபைல்", "கைபேசி", "தொலைபேசி", "அலைபேசி", "మొబైల్", "ఫోన్", "ಮೊಬೈಲ್", "ಫೋನ್", "ದೂರವಾಣಿ", "മൊബൈൽ", "ഫോൺ"),
    *("মোবাইল", "ফোন", "મોબાઇલ", "મોબાઈલ", "ફોન", "ਮੋਬਾਈਲ", "ਫੋਨ", "ମୋବାଇଲ", "ଫୋନ"),
)
"""The words of Indian languages; the vowel signs within them separate words for ``_WORD``."""
_NOT_DIGITS = str.maketrans("", "", "+-.() \t\u00a0")


MAX_COLUMNS = 16_384
"""The limit of columns, as in a sheet. Each row has a cell for each column, so more columns would fill the memory."""


class Heading:
    """The columns of a file. Case and blanks of a name do not matter. Raises InputInvalid for too many columns."""

    def __init__(self, path: Path, line: int, names: Iterable[str]) -> None:
        self.path = path
        self.line = line
        self.names = tuple(map(tidy, names))
        if len(self.names) > MAX_COLUMNS:
            raise InputInvalid(f"{path}:{line}: has more than {MAX_COLUMNS:,} columns")
        self._looks_like_data = any(map(_is_phone_number, self.names))
        self._index = {_key(name): index for index, name in reversed(list(enumerate(self.names))) if name}
        self._counts = Counter(_key(name) for name in self.names)

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int | None:
        """Return the index of the column with a name, or None.

        Raises InputInvalid if two columns have this name; columns that are not used may have equal names.
        """
        key = _key(name)
        index = self._index.get(key)
        if index is not None and self._counts[key] > 1:
            raise InputInvalid(f"{self.path}:{self.line}: two columns are named {key}; rename or delete one of them")
        return index

    def nearest(self, name: str) -> str | None:
        """Return the name of a column that is similar to an unknown name, or None."""
        close = similar_name(_key(name), self._index)
        return self.names[self._index[close]] if close else None

    def probable_number_column(self) -> str | None:
        """Return the name of the first column whose name says that it holds phone numbers, or None."""
        if self._looks_like_data:
            return None
        return next((name for name in self.names if _says_number(name)), None)

    def described(self) -> str:
        """List the columns in words. A first row that looks like data is not shown, because it holds a phone number."""
        if self._looks_like_data:
            return "the first row looks like a recipient; it must name the columns"
        return f"its columns are {', '.join(name for name in self.names if name) or 'without names'}"


def is_among(name: str, names: Iterable[str]) -> bool:
    """Return whether a name is among other names; case and blanks do not matter."""
    return _key(name) in map(_key, map(tidy, names))


def rows_above(path: Path, count: int) -> str:
    """Return a note about the rows above the heading of a file, which are not read."""
    return f"{path.name}: {counted(count, 'row above the heading is', 'rows above the heading are')} left out"


def _key(name: str) -> str:
    return " ".join(name.split()).casefold()


def _says_number(name: str) -> bool:
    return not _NUMBER_WORDS.isdisjoint(_words(name)) or any(word in name for word in _INDIAN_NUMBER_WORDS)


def _words(name: str) -> list[str]:
    return _WORD.findall(name.casefold())


def _is_phone_number(name: str) -> bool:
    digits = name.translate(_NOT_DIGITS)
    return digits.isdecimal() and len(digits) >= _MIN_DIGITS_OF_NUMBER
