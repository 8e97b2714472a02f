"""Decides which cells have no value and which have a damaged value, for files of every format."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from enum import Enum
from functools import partial
from typing import Final, NamedTuple

from producers.rows.lost_characters import LOST, MISREAD
from producers.rows.program_objects import PLAIN_SIGNS, is_program_object
from producers.rows.spreadsheet_errors import is_error, is_not_found
from times_dispatch.settings.tables.recipients import NO_VALUE
from times_dispatch.sms.placeholders import is_unfilled

_SCIENTIFIC = re.compile(r"[+-]?[0-9]+(?:(?:[.,][0-9]+)?[eE][+]|[.,][0-9]+[eE]-?|[eE]-0)[0-9]{1,3}")
_ZERO_DATE = re.compile(
    r"(?:0000-00-00|0001-01-01|1899-12-3[01]|1900-01-00|(?:00|3[01])[-/.]12[-/.]1899|12[-/]3[01][-/]1899"
    r"|3[01][- ]dec(?:ember)?[- ]1899|(?:[a-z]{3} )?dec(?:ember)? 3[01],? 1899|0?1[- ]jan(?:uary)?[- ]0001"
    r"|00?[-/](?:01?|jan)[-/](?:1900|00)|0?1/00?/(?:1900|00)|0?1[-/.]0?1[-/.](?:0001|1900|1753)|00[-/.]00[-/.]0000"
    r"|0?1[- ]jan(?:uary)?[- ](?:1900|1753)|(?:1900|1753)-01-01"
    r"|9999-12-31|3[01][-/.]12[-/.]9999|12[-/]3[01][-/]9999|3[01][- ]dec(?:ember)?[- ]9999)(?:[T ].*)?"
    r"|(?:1970-01-01|0?1[-/.]0?1[-/.]1970|0?1[- ]jan(?:uary)?[- ]1970)[T ]0?5:30(?::00)?(?: ?AM)?"
    r"|Thu Jan 0?1 05:30:00(?: IST)? 1970",
    re.IGNORECASE,
)
"""The first and last days of the calendars of spreadsheets, databases and .NET, which programs write for a missing
date; the beginning of Unix time is half past five in India.
"""
_INFINITE = re.compile(r"[+-]?(?:inf(?:inity)?|∞|1\.#INF)", re.IGNORECASE)
_FORMULA = re.compile(r"=[^=>() ].*|=\([\"A-Z0-9$(].*|@[A-Z]+\(.*", re.DOTALL)
_MANY_HASHES = re.compile(r"#{3,}")
_NO_VALUE_WITHIN = re.compile(
    r"(?<!\w)(?:undefined|NaN)(?!\w)|(?<!\w)Invalid Date(?!\w)"
    r"|\A(?:null|NULL)[\s,;/|-](?!and void)|[\s,;/|-](?:null|NULL)\Z"
    r"|\A(?i:(?:rs\.?|inr|mr\.?|mrs\.?|ms\.?|dr\.?|shri|smt\.?|dear|hi|hello)\s|[₹$€£]\s?)"
    r"(?:none|None|NONE|nan|NaN|NAN|null|NULL|undefined)(?:/-)?\Z"
    r"|\A(?!(?:Aloo|Butter|Cheese|Garlic|Kashmiri|Keema|Masala|Onion|Paneer|Peshawari|Plain|Stuffed|Tandoori|Tawa) )"
    r"[A-Z][a-z]{1,30} nan\Z"
)
"""Words of programs within a value, as in ``Asha null``. ``Null`` may be a surname, ``None`` an English word, ``Nan`` a
name, and ``Butter nan`` is bread.
"""

_PLAIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 \n.,():;+/!-"
"""The ASCII characters of nearly all values; a value of only these characters has no damage by its characters."""
_MISREAD_LETTERS = "ÂÃâãàð"
"""The first letters of UTF-8 characters that were read in another encoding."""
_PLAIN_BYTES = _PLAIN.encode() + bytes((*range(0x80, 0xC0), *range(0xC3, 0xE2)))
"""The UTF-8 bytes of plain characters and of U+00C0 to U+1FFF, which include the scripts of India."""
_NOT_PLAIN = re.compile(rf"[^{re.escape(_PLAIN)}\u00c0-\u1fff]|[{_MISREAD_LETTERS}]").search
_EXPONENT = re.compile("[eE][+-]?[0-9]").search
_FIRST_SIGNS = ":!()-"
"""The first characters of placeholders and of words for no value: ``:name``, ``(not set)``, ``-None-``."""
_DATE_SIGNS = "-/."
_IN_BAD_DATES: tuple[str, ...] = ("0000", "0001", "1900", "/00", "-00", "/yy", "-yy", "yyyy-", "yyyy/", "/xx", "-xx")
_IN_BAD_DATES += ("1753", "1970", "9999")

_SUSPICIOUS_TEXTS: tuple[str, ...] = ("err:", "null", "undefined", "invalid date", "xxx", "----", "....", "1899")
_SUSPICIOUS_TEXTS += ("hh:mm", "name", " 0001")
_SUSPICIOUS_TEXTS += ("jan 01 05", "jan 1900", "dec 9999", " nan", " none", "rs. n", ".yy", " yyyy")
_SUSPICIOUS_TEXTS += PLAIN_SIGNS
_SUSPICIOUS_TEXTS += ("none none", "nan nan", "n/a n/a", "na na", "nil nil")
_SUSPICIOUS_TEXTS_AND_DATES = (*_SUSPICIOUS_TEXTS, *_IN_BAD_DATES)
_NO_TEXTS = frozenset({"", "array", "loading...", "loading…", "inf", "+inf", "-inf"})
_NO_TEXTS |= {f"var{number}" for number in range(1, 10)}
_NO_TEXTS |= {"infinity", "+infinity", "-infinity"}


class DamageKind(Enum):
    """The two kinds of damage: no value, for which a variable may have a default, and a value that cannot be used."""

    ABSENT = "absent"
    DAMAGED = "damaged"


class CellDamage(NamedTuple):
    """The damage of a cell; ``reason`` is written after the name of its column and holds no part of the value."""

    kind: DamageKind
    reason: str


_EMPTY = CellDamage(DamageKind.ABSENT, "is empty")
_NO_VALUE = CellDamage(DamageKind.ABSENT, "holds a word for no value")
_NOT_AVAILABLE = CellDamage(DamageKind.ABSENT, "holds #N/A, the error of a lookup that found nothing")

_NO_DATE = CellDamage(
    DamageKind.ABSENT, "holds the first or last day of a program's calendar, which stands for no date"
)
_JOINERS = "\u200c\u200d"
"""Invisible characters that are part of words in Hindi, but make no value alone."""
_QUOTES = "'\"\u2018\u2019\u201c\u201d`()[]<>"
_AROUND_WORDS = f"{_QUOTES}-"
"""The characters that programs put around a word for no value: ``-None-``, ``(not set)``."""
_RUN = 3
_SAMPLED_CELLS = 64
"""How many first cells of a column are compared to see whether the column's values repeat."""


class DamageCheck:
    """Finds cells without a value or with a damaged value.

    Args:
        no_value: words that stand for no value, in any case.
    """

    def __init__(self, no_value: Iterable[str] = NO_VALUE) -> None:
        self._no_value = frozenset(word.strip().casefold() for word in no_value)
        self._suspicious_words = self._no_value | _NO_TEXTS

    def find(self, cells: Sequence[str]) -> dict[int, CellDamage]:
        """Return the damages of tidy cells, by the index of the cell."""
        # If values repeat, as names and cities do, each value is checked only once.
        values = set(cells) if len(set(cells[:_SAMPLED_CELLS])) <= _SAMPLED_CELLS // 2 else cells
        suspects = {value for may_be_damaged in self._searches(values) for value in values if may_be_damaged(value)}
        damages = {value: damage for value in suspects if (damage := self.of(value))}
        if not damages:
            return {}
        return {index: damages[cell] for index, cell in enumerate(cells) if cell in damages}

    def of(self, cell: str) -> CellDamage | None:
        """Return the damage of one tidy cell; None if the cell has a good value."""
        if not cell.strip(_JOINERS):
            return _EMPTY
        if self._stands_for_no_value(cell.casefold()):
            return _NO_VALUE
        if is_not_found(cell):
            return _NOT_AVAILABLE
        if _ZERO_DATE.fullmatch(cell):
            return _NO_DATE
        return damage_of_text(cell)

    def _searches(self, cells: Collection[str]) -> Iterator[Callable[[str], object]]:
        """Yield the functions that find the cells to be checked.

        For nearly all columns no function is needed: one search of the joined cells shows that no cell is damaged.
        """
        joined = "\n".join(cells)
        if joined.encode(errors="surrogatepass").translate(None, _PLAIN_BYTES) or (
            not joined.isascii() and any(letter in joined for letter in _MISREAD_LETTERS)
        ):
            yield _NOT_PLAIN
        folded = joined.casefold()
        if not self._suspicious_words.isdisjoint(cells if folded == joined else folded.split("\n")):
            yield lambda cell: cell.casefold() in self._suspicious_words
        if any(f"\n{sign}" in f"\n{joined}" for sign in _FIRST_SIGNS):
            yield lambda cell: cell[:1] in _FIRST_SIGNS
        if "e" in folded and _EXPONENT(joined):
            yield _EXPONENT
        has_date_signs = any(sign in joined for sign in _DATE_SIGNS)
        texts = _SUSPICIOUS_TEXTS_AND_DATES if has_date_signs else _SUSPICIOUS_TEXTS
        for text in texts:
            if text in folded:
                yield partial(_holds, text)
        if "NaN" in joined:
            yield partial(_holds, "nan")

    def _stands_for_no_value(self, word: str) -> bool:
        """Return whether a text in lower case stands for no value: a word, in quotes or repeated, or a repeated sign.

        For example, a missing first name and a missing last name become ``none none``.
        """
        if word in self._no_value or (word[:1] in _AROUND_WORDS and word.strip(f"{_AROUND_WORDS} ") in self._no_value):
            return True
        if not word.strip(f"{_QUOTES} "):
            return len(word) > 1  # quotes around nothing
        first, *others = word.split()[:4] or [""]
        if others and first in self._no_value and set(others) == {first}:
            return True
        return len(word) > _RUN and word[:_RUN] in self._no_value and word == word[0] * len(word)


def damage_of_text(text: str) -> CellDamage | None:
    """Return the damage of a text; None if the text is good. Words for no value are not damage here."""
    return next((damage for is_damaged, damage in _DAMAGES if is_damaged(text)), None)


def damage_of_template(text: str) -> str:
    """Return how a wrong encoding damaged the text of a template; empty if the text is good."""
    return next((reason for is_misread, reason in MISREAD if is_misread(text)), "")


def _holds(text: str, cell: str) -> bool:
    return text in cell.casefold()


UNREADABLE: Final = "#UNREADABLE!"
"""The text of a rejects file in place of an unreadable value, so that an uncorrected row is refused again."""

_SIGNS_OF_DAMAGE: tuple[tuple[Callable[[str], object], str], ...] = (
    (
        lambda text: text == UNREADABLE,
        "could not be read in the file from which the row was refused: enter the value again",
    ),
    (is_error, "holds an error of a spreadsheet: correct the formula"),
    (
        _MANY_HASHES.fullmatch,
        "holds only # signs, which a column that is too narrow shows: widen the column and export again",
    ),
    (is_program_object, "holds the name of a program's object instead of a value"),
    *LOST,
    (is_unfilled, "holds a placeholder that nobody filled"),
    (_SCIENTIFIC.fullmatch, "is in scientific notation, its digits are lost: format the column as text"),
    (_INFINITE.fullmatch, "is infinite"),
    (_FORMULA.fullmatch, "holds a formula instead of its result"),
    (_NO_VALUE_WITHIN.search, "holds a word such as null or NaN, which a program wrote in place of a value"),
)
"""The functions that recognise damaged texts, with the damages; the most certain damage comes first."""
_DAMAGES = tuple((is_damaged, CellDamage(DamageKind.DAMAGED, reason)) for is_damaged, reason in _SIGNS_OF_DAMAGE)
