"""Lines that fit a terminal: a longer line goes on in the next one at a blank, and no word is cut."""

import re
from unicodedata import category

_WORD = re.compile(r" *[^ ]+")
_MARK = "| "
"""What each line of a sample text begins with, after blanks."""


def wrapped(line: str, width: int, indent: int = 0) -> list[str]:
    """Return a line as lines of so many columns; a word that is longer, such as a digest, stays whole on its line.

    Args:
        line: text without control characters; each letter counts with the columns that a terminal gives it.
        width: columns of the terminal.
        indent: columns of blanks before the later lines; a line that begins with more blanks keeps those.
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
    """Return at most how many columns a text takes: terminals differ about the vowel signs that follow a letter."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415  # slow to import, and most lines need it not

    return cell_len(text) + sum(category(letter) == "Mc" for letter in text)
