"""Reads the strings that the cells of a workbook share, block by block, without a tree of elements."""

import re
from typing import BinaryIO, Final
from xml.parsers import expat

MAX_PIECES: Final = 400_000
"""The limit of pieces of a string, which may have several fonts; a cell has at most 32,767 characters."""
_BLOCK_BYTES: Final = 1 << 16
_ESCAPED: Final = re.compile("_x([0-9A-Fa-f]{4})_")


class SharedStrings:
    """The strings of one part of a workbook, in their order, without phonetic guides."""

    def __init__(self, *, max_strings: int) -> None:
        """Make a reader that refuses more than *max_strings* strings."""
        self.strings: list[str] = []
        self._max_strings = max_strings
        self._pieces: list[str] = []
        self._is_phonetic = False
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end

    def read(self, file: BinaryIO) -> list[str]:
        """Return all strings. Raises ValueError if there are too many, or ExpatError if the XML is damaged."""
        while block := file.read(_BLOCK_BYTES):
            self._parser.Parse(block, False)
        self._parser.Parse(b"", True)
        return self.strings

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        match name.rpartition(":")[2]:
            case "t" if not self._is_phonetic:
                self._parser.CharacterDataHandler = self._pieces.append
            case "rPh":
                self._is_phonetic = True

    def _end(self, name: str) -> None:
        match name.rpartition(":")[2]:
            case "t":
                self._parser.CharacterDataHandler = None
                if len(self._pieces) > MAX_PIECES:
                    raise ValueError(len(self._pieces))
            case "rPh":
                self._is_phonetic = False
            case "si":
                if len(self.strings) >= self._max_strings:
                    raise ValueError(self._max_strings)
                self.strings.append(unescaped("".join(self._pieces)))
                self._pieces.clear()


def unescaped(text: str) -> str:
    """Return a text of a workbook without the escapes of characters that XML does not allow, such as ``_x000D_``."""
    if "_x" not in text:
        return text
    # Two escaped halves of a surrogate pair are one character; a single half is no character.
    units = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text).encode("utf-16", "surrogatepass")
    return units.decode("utf-16", "replace")
