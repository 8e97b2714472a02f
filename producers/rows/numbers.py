"""Normalises the phone numbers of many rows at once, and finds duplicates and foreign numbers."""

import re
from array import array
from collections.abc import Sequence
from functools import cache
from operator import itemgetter

from pyroaring import BitMap64

from producers.recipients.cell_text import tidy
from times_dispatch.sms.landlines import PREFIX_DIGITS, landline_prefixes
from times_dispatch.sms.numbers import NumberInvalid, normalise

FOREIGN = "is a number of another country: a header of the DLT reaches India only"
"""The reason why a foreign number is refused, to be written after the name of the number's column."""

_PLAIN_INDIAN_NUMBERS = re.compile("^(?:(?:[+]?91|0)?([6-9][0-9]{9})|.*)$", re.MULTILINE)
"""Nearly all numbers of Indian lists, without blanks and dashes; a line in another form gives an empty match."""

_PREFIX = re.compile(
    r"^(?:(?:https?://)?(?:wa\.me|(?:api|web)\.whatsapp\.com/send)/?(?:\?phone=)?|whatsapp://send/?\?phone="
    r"|(?:item[0-9]{1,2}\.)?TEL(?:;[A-Z0-9=,]{1,30}){1,4}:(?:tel:)?|TEL;[A-Z=,;]{1,60}=uri:tel:|urn:tel:"
    r"|\(?(?:tel|telephone|phone|ph|mobile|mob|mo|mbl|cell|contact|call|number|msisdn|no|p|m|whatsapp|wa|sms|smsto"
    r"|callto|facetime|sip|home|work|office|res|मोबाइल|मोबाईल|मो|फोन|फ़ोन|नंबर)\)?[. ]{0,2}"
    r"(?:(?:no|number|num|नंबर|नं)\b[. ]{0,2})?(?::(?://)?|[#-]|(?<=[. )]))|#|\([horw]\)[. :-]{0,3}|[horw][ ]?[:-]"
    r"|(?:(?:IN|IND|India)\b[ :]{0,2}|[\U0001F1E6-\U0001F1FF]{2}[ ]?)(?=[+(])"
    r"|[\u260e\u260f\u2706\U0001f4de\U0001f4f1\U0001f4f2]\ufe0f?)?(?:%2B)?",
    re.IGNORECASE,
)
"""The prefixes that exports of contacts, leads and chats write before a number; for example ``p:`` (Facebook),
``TEL;CELL:`` (address books) and a flag (web forms)."""
_GROUPED = re.compile("[0-9]{1,3}(?:,[0-9]{2,3})+(?:[.]0+)?")
"""A number of a spreadsheet whose column groups digits: 9,876,543,210."""
_PARAMETERS = re.compile(
    r"(?:[;,]|;(?:ext|phone-context|isub)=.*|(?::[0-9]{1,3})?@(?:s\.whatsapp\.net|c\.us|ims\.[a-z0-9.]+)|[?&][a-z]+=.*"
    r"|[ ]?\((?:m|mob|mobile|cell|w|wa|whatsapp|h|o|r|res|off|home|work|primary|self|personal|office|own|father|mother)"
    r"\)|/|[ -]{1,2}(?:mob|mobile|cell|whatsapp|self)[.]?)$",
    re.IGNORECASE,
)
_QUOTES = "\"'`\u00b4\u2018\u2019\u201c\u201d"
"""Quotes around a number, or an apostrophe before a number in a typographic form."""


_NO_NUMBER = frozenset({""})
_MOBILE_DIGITS = 10
_PREFIX_OF = itemgetter(slice(0, PREFIX_DIGITS))


def normalise_numbers(
    cells: Sequence[str], region: str = "IN", *, landlines: bool = False
) -> tuple[list[str], dict[int, str]]:
    """Normalise many numbers, at a fifth of the cost of a call of ``times_dispatch.sms.numbers.normalise`` for each.

    Args:
        cells: the cells of the file with the numbers.
        region: the country of numbers without a country code, as two letters.
        landlines: whether Indian landlines that begin with 6 to 9 are also accepted.

    Returns:
        The numbers, with an empty text for each cell that is no number, and the reasons for such cells by index.
    """
    numbers = _plain_indian_numbers(cells, landlines=landlines) if region == "IN" else [""] * len(cells)
    reasons = {}
    if "" in numbers:
        for index, number in enumerate(numbers):
            if not number:
                try:
                    numbers[index] = normalise_number(cells[index], region, landlines=landlines)
                except NumberInvalid as invalid:
                    reasons[index] = str(invalid)
    return numbers, reasons


def normalise_number(cell: str, region: str = "IN", *, landlines: bool = False) -> str:
    """Normalise one number as people and exporters write it, with its guards and its prefix; raise NumberInvalid.

    Args:
        cell: the number as it was written.
        region: the country of a number without a country code, as two letters.
        landlines: whether Indian landlines that begin with 6 to 9 are also accepted.
    """
    return normalise(without_prefix(tidy(cell)), region, landlines=landlines)


def _plain_indian_numbers(cells: Sequence[str], *, landlines: bool) -> list[str]:
    """Return the numbers of cells in the forms of nearly all Indian lists; an empty text for each other cell."""
    joined = "\n".join(cells)
    if not cells or joined.count("\n") != len(cells) - 1:
        return [""] * len(cells)
    joined = joined.replace(" ", "").replace("-", "")
    if _are_of_ten_digits(joined, len(cells)):
        mobiles = joined.split("\n")
        may_be_landlines = bool(joined[:: _MOBILE_DIGITS + 1].strip("9"))
    else:
        mobiles = _PLAIN_INDIAN_NUMBERS.findall(joined)
        may_be_landlines = True
    if may_be_landlines:
        refused = _NO_NUMBER if landlines else _landline_prefixes_or_none()
        if not refused.isdisjoint(map(_PREFIX_OF, mobiles)):
            return ["" if mobile[:PREFIX_DIGITS] in refused else "91" + mobile for mobile in mobiles]
    return ("91" + "\n91".join(mobiles)).split("\n")


def _are_of_ten_digits(joined: str, cells: int) -> bool:
    """Return whether each line is ten ASCII digits, of which the first is 6 to 9."""
    each = _MOBILE_DIGITS + 1
    return (
        len(joined) == each * cells - 1
        and joined.isascii()
        and joined[_MOBILE_DIGITS::each].count("\n") == cells - 1
        and joined.replace("\n", "").isdigit()
        and not joined[::each].strip("6789")
    )


def without_prefix(cell: str) -> str:
    """Remove ``tel:``, ``p:``, ``whatsapp:`` and similar prefixes of a number, and the suffixes of such addresses."""
    if "," in cell and _GROUPED.fullmatch(cell):
        return cell.replace(",", "")
    if cell[:1].isdigit() and cell[-1:].isdigit() and ":" not in cell and "@" not in cell:
        return cell
    number = cell.strip().strip(_QUOTES)
    if number[:1] + number[-1:] in ("<>", "[]"):
        number = number[1:-1]
    return _PARAMETERS.sub("", _PREFIX.sub("", number, count=1))


def find_foreign(numbers: Sequence[str]) -> list[int]:
    """Return the indexes of the numbers whose country code is not India's; empty texts are skipped."""
    if "\n".join(("", *numbers)).count("\n91") + numbers.count("") == len(numbers):
        return []
    return [index for index, number in enumerate(numbers) if number and number[:2] != "91"]


@cache
def _landline_prefixes_or_none() -> frozenset[str]:
    return landline_prefixes() | _NO_NUMBER


class NumberSet:
    """A set of phone numbers, kept as integers in a bitmap.

    A million random numbers take about 6 bytes each; in a Python set they take 90.
    """

    def __init__(self) -> None:
        self._seen = BitMap64()

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, numbers: Sequence[int]) -> list[int]:
        """Add numbers; return the indexes of duplicates, which are already in the set or earlier in the sequence."""
        seen = self._seen
        duplicates = []
        if True in map(seen.__contains__, numbers):
            duplicates = [index for index, number in enumerate(numbers) if number in seen]
        if len(set(numbers)) != len(numbers):
            duplicates = _with_repeated(numbers, duplicates)
        seen.update(array("Q", numbers))
        return duplicates


def _with_repeated(numbers: Sequence[int], duplicates: list[int]) -> list[int]:
    """Add to the duplicates the indexes of numbers that also occur earlier in the same sequence."""
    earlier: set[int] = set()
    indexes = set(duplicates)
    for index, number in enumerate(numbers):
        if number in earlier:
            indexes.add(index)
        earlier.add(number)
    return sorted(indexes)
