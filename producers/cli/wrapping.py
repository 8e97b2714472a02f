"""Lines that fit a terminal: a line that is too long is broken at blanks, and no word is cut."""

import re
from unicodedata import category

_WORD = re.compile(r"(?<! ) *+[^ ]++")
_MARK = "| "
"""The beginning of each line of a sample text, after blanks."""


def wrapped(line: str, width: int, indent: int = 0) -> list[str]:
    """Break a line into lines of at most *width* columns; a word that is longer, such as a digest, stays whole.

    Args:
        line: text without control characters; each letter counts as many columns as a terminal gives the letter.
        width: columns of the terminal.
        indent: columns of blanks before the second and later lines; a line that begins with more blanks keeps them.
    """
    if _columns(line) <= width:
        return [line]
    text = line.lstrip(" ")
    blanks = line[: len(line) - len(text)]
    margin = blanks + _MARK if text.startswith(_MARK) else max(blanks, " " * indent)
    rows, row = list[str](), ""
    for word in _WORD.findall(line):
        if row and _columns(row + word) > width:
            rows.append(row)
            row = margin + word.lstrip(" ")
        else:
            row += word
    return [*rows, row]


def _columns(text: str) -> int:
    """Return the greatest number of columns of a text: terminals show vowel signs after a letter differently."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415  # slow to import, and most lines do not need it

    return cell_len(text) + sum(category(letter) == "Mc" for letter in text)
