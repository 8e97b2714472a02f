"""Decides which cells hold no value, and which hold a damaged one, whatever the format of the file."""

import re
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import NamedTuple

from times_dispatch.settings.recipients import NO_VALUE

SPREADSHEET_ERRORS = frozenset(
    f"#{name}"
    for name in (
        "null!",
        "div/0!",
        "value!",
        "ref!",
        "name?",
        "num!",
        "getting_data",
        "spill!",
        "calc!",
        "field!",
        "blocked!",
        "unknown!",
        "connect!",
        "busy!",
        "external!",
        "python!",
        "error!",
    )
) | {"loading..."}
"""The texts that spreadsheets show where a formula has no result."""
_PLACEHOLDER = re.compile(
    r"\{\{.*?\}\}|\{[^{}]*\}|\$\{[^{}]*\}"  # {{name}}, {name}, ${name}
    r"|##[\w .-]+##|(?<!\w)#[^\W\d][\w .-]*#(?!\w)"  # ##name##, #name#
    r"|%%[\w .-]+%%|(?<![\w%])%[^\W\d]\w+%(?!\w)"  # %%name%%, %name%
    r"|(?<![\w%])%(?:[0-9]\$)?[sd](?!\w)|%\([\w ]+\)[sd]"  # %s, %1$s, %(name)s
    r"|<<[^<>]+>>|«[^«»]+»|\[\[[^\[\]]+\]\]|\*\|[^|]+\|\*|<%.*?%>"  # <<name>>, «name», [[name]], *|NAME|*, <% name %>
)
_SCIENTIFIC = re.compile(r"[+-]?[0-9]+(?:(?:[.,][0-9]+)?[eE][+]|[.,][0-9]+[eE]-?|[eE]-0)[0-9]{1,3}")
_BEFORE_EXPONENT = tuple(f"{digit}e" for digit in range(10))
_ZERO_DATE = re.compile(
    r"(?:0000-00-00|0001-01-01|1899-12-3[01]|1900-01-00|(?:00|3[01])[-/.]12[-/.]1899|12[-/]3[01][-/]1899"
    r"|00?[-/](?:01?|jan)[-/](?:1900|00)|0?1/00?/(?:1900|00)|0?1[-/.]0?1[-/.]0001|00[-/.]00[-/.]0000)(?:[T ].*)?",
    re.IGNORECASE,
)
"""The day zero of spreadsheets, of MySQL and of .NET, which programs write where they have no date."""
_IN_ZERO_DATES = (
    *("1899-", "-1899", "/1899", ".1899", "1900-01-00", "-1900", "/1900", "/00", "-00"),
    *("0001-01-01", "1-0001", "1/0001", "1.0001", ".0000", "/0000"),
)
_INFINITE = re.compile(r"[+-]?inf(?:inity)?", re.IGNORECASE)
_FORMULA = re.compile(r"=[^=>() ].*|@[A-Z]+\(.*", re.DOTALL)
_PROGRAM_OBJECT = re.compile(r"\[object ", re.IGNORECASE)
_OFFICE_ERROR = re.compile(r"Err:[0-9]{3}")
_QUESTION_MARKS = re.compile(r"(?:^|(?<=\s))\?{2,}(?=\s|$)|^\?$")
_MANY_HASHES = re.compile(r"#{3,}")
_CONT = (
    "[\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013\u2014\u2018-\u201a"
    "\u201c-\u201e\u2020-\u2022\u2026\u2030\u2039\u203a\u20ac\u2122]"
)
"""A byte from 0x80 to 0xBF, read as Windows-1252 or as Latin-1."""
_MISREAD_UTF8 = re.compile(f"[\u00c2\u00c3]{_CONT}|[\u00e0\u00e2]{_CONT}{{2}}|\u00f0{_CONT}{{3}}")
"""Bytes of UTF-8 that somebody read as Windows-1252: RenÃ©e for Renée, â€™ for an apostrophe, à¤†à¤¶à¤¾ for आशा."""

_SUSPICIOUS = ("{", "#", "%", "?", "<", "«", "[", "*", "e+", "=", "@", "err:")
"""Without any of these texts among lines of ASCII, and without a word for infinite or loading, no line is damaged."""
_MAY_BE_MISREAD = re.compile("[\u00c2\u00c3\u00e0\u00e2\u00f0\ufffd]").search
_INFINITE_WORDS = frozenset({"loading...", "inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"})


class DamageKind(Enum):
    """Whether a cell holds no value, for which a variable may give a default, or one that cannot be used."""

    ABSENT = "absent"
    DAMAGED = "damaged"


class CellDamage(NamedTuple):
    """The damage of a cell; ``reason`` is written after the name of its column and holds no part of the value."""

    kind: DamageKind
    reason: str


_EMPTY = CellDamage(DamageKind.ABSENT, "is empty")
_NO_VALUE = CellDamage(DamageKind.ABSENT, "holds a word for no value")
_NOT_AVAILABLE = CellDamage(DamageKind.ABSENT, "holds #N/A, the error of a lookup that found nothing")

_NO_DATE = CellDamage(DamageKind.ABSENT, "holds the day zero of a program, which stands for no date")


def _damaged(reason: str) -> CellDamage:
    return CellDamage(DamageKind.DAMAGED, reason)


class DamageCheck:
    """Finds cells without a value or with a damaged one.

    Args:
        no_value: words that stand for no value; their case makes no difference.
    """

    def __init__(self, no_value: Iterable[str] = NO_VALUE) -> None:
        self._no_value = frozenset(word.strip().casefold() for word in no_value)
        self._suspicious_words = self._no_value | _INFINITE_WORDS | {""}

    def find(self, cells: Sequence[str]) -> dict[int, CellDamage]:
        """Return what is wrong with tidy cells, by their index."""
        joined = "\n".join(cells).casefold()
        may_be_damaged = (
            not self._suspicious_words.isdisjoint(joined.split("\n"))
            or any(text in joined for text in _SUSPICIOUS)
            or any(text in joined for text in _BEFORE_EXPONENT)
            or any(text in joined for text in _IN_ZERO_DATES)
            or (not joined.isascii() and any(map(_MAY_BE_MISREAD, cells)))
        )
        if not may_be_damaged:
            return {}
        damages = ((index, self.of(cell)) for index, cell in enumerate(cells))
        return {index: damage for index, damage in damages if damage}

    def of(self, cell: str) -> CellDamage | None:
        """Return what is wrong with one tidy cell; None if it holds a value."""
        if not cell:
            return _EMPTY
        word = cell.casefold()
        if word in self._no_value:
            return _NO_VALUE
        if word in ("#n/a", "#n/a!", "#na", "#n/a n/a"):
            return _NOT_AVAILABLE
        if _ZERO_DATE.fullmatch(cell):
            return _NO_DATE
        return damage_of_text(cell)


def damage_of_text(text: str) -> CellDamage | None:
    """Return the damage of a text, whatever the settings call no value; None if there is none."""
    return next((damage for is_damaged, damage in _DAMAGES if is_damaged(text)), None)


def damage_of_template(text: str) -> str:
    """Return the reason why the text of a template is damaged by its encoding; an empty text if it is not."""
    return next((damage.reason for is_damaged, damage in _ENCODING_DAMAGES if is_damaged(text)), "")


def _is_error(text: str) -> bool:
    return text.casefold() in SPREADSHEET_ERRORS or _OFFICE_ERROR.fullmatch(text) is not None


_ENCODING_DAMAGES: tuple[tuple[Callable[[str], object], CellDamage], ...] = (
    (
        re.compile("\ufffd").search,
        _damaged("holds U+FFFD, which replaces a character that was lost: export the file as UTF-8"),
    ),
    (_MISREAD_UTF8.search, _damaged("was read in a wrong encoding once (Ã© for é): export the file as UTF-8")),
)
_DAMAGES: tuple[tuple[Callable[[str], object], CellDamage], ...] = (
    (_is_error, _damaged("holds an error of a spreadsheet: correct the formula")),
    (
        _MANY_HASHES.fullmatch,
        _damaged("holds only # signs, as a column that is too narrow shows them: widen it and export again"),
    ),
    (_PROGRAM_OBJECT.match, _damaged("holds the name of a program's object instead of a value")),
    *_ENCODING_DAMAGES,
    (
        _QUESTION_MARKS.search,
        _damaged("holds question marks instead of characters that were lost: export the file as UTF-8"),
    ),
    (_PLACEHOLDER.search, _damaged("holds a placeholder that nobody filled")),
    (
        _SCIENTIFIC.fullmatch,
        _damaged("is in scientific notation, its digits are lost: format the column as text"),
    ),
    (_INFINITE.fullmatch, _damaged("is infinite")),
    (_FORMULA.fullmatch, _damaged("holds a formula instead of its result")),
)
"""The signs of a damaged text, the most certain damage first."""
