"""Checks that a text file is UTF-8, or UTF-16 with a byte order mark, and that its lines have an end.

The refusal of another encoding contains a command that converts the file.
"""

import codecs
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path

from producers.errors import InputInvalid
from producers.recipients.file import CHUNK_ROWS

MAX_LINE_BYTES = 4_000_000
"""The limit of bytes for a line: a cell has at most 131,072 characters, so a longer line is not part of a table."""
_BLOCK = 1 << 20
_WINDOW = 1 << 11
"""Lines shorter than this are not measured."""
_CHUNK_BYTES = 2 * _WINDOW * CHUNK_ROWS
_MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_NULS_OF_UTF16 = 2
"""The least number of NUL bytes in a heading in UTF-16, which has a comma and a line end."""


def encoding_of(path: Path) -> str:
    """Return the encoding that the byte order mark of a file names: UTF-16, or else UTF-8.

    Raises InputInvalid if the file is UTF-32, or UTF-16 without the mark.
    """
    with path.open("rb") as file:
        head = file.read(len(codecs.BOM_UTF32_LE))
    if head in (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE):
        raise InputInvalid(f"{path}: is UTF-32, not UTF-8; {_advice(path, 'UTF-32')}")
    if head.count(b"\0") == len(head) / 2 and head[:2].count(b"\0") == 1:
        encoding = "UTF-16BE" if head.startswith(b"\0") else "UTF-16LE"
        raise InputInvalid(f"{path}: holds NUL bytes; is it UTF-16 without a mark? {_advice(path, encoding)}")
    return _MARKS.get(head[:2], "utf-8")


def check(path: Path, *, line_ends: tuple[bytes, ...]) -> int:
    """Read a whole file, at about 1 GB/s, and return how many of its rows may be in memory at the same time.

    The check runs before any row is used, so that a wrong byte near the end of the file refuses the whole file. Raises
    InputInvalid with the line if the file does not have the encoding that ``encoding_of`` returns, or if a line is too
    long.
    """
    encoding = encoding_of(path)
    decoder = codecs.getincrementaldecoder("utf-8")()
    before = line = without_end = longest = 0
    with path.open("rb") as file:
        blocks: Iterable[bytes] = iter(partial(file.read, _BLOCK), b"")
        for block in blocks if encoding == "utf-8" else _as_utf8(blocks, path, encoding):
            _decode(decoder, block, path, before, line)
            for start in range(0, len(block), _WINDOW):
                if any(block.find(end, start, start + _WINDOW) >= 0 for end in line_ends):
                    without_end = 0
                    continue
                without_end += _WINDOW
                longest = max(longest, without_end)
                if without_end > MAX_LINE_BYTES:
                    line += block.count(b"\n", 0, start) + 1
                    raise InputInvalid(
                        f"{path}:{line}: is longer than {MAX_LINE_BYTES:,} bytes; is it a file of another kind?"
                    )
            before += len(block)
            line += block.count(b"\n")
        _decode(decoder, b"", path, before, line, final=True)
    return max(1, _CHUNK_BYTES // (longest + 2 * _WINDOW))


def _as_utf8(blocks: Iterable[bytes], path: Path, encoding: str) -> Iterator[bytes]:
    """Convert the blocks of a file in another encoding to UTF-8; raise InputInvalid if a character is incomplete."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    for block in chain(blocks, (b"",)):
        try:
            text = decoder.decode(block, not block)
        except UnicodeDecodeError:
            name = encoding[:6].upper()
            raise InputInvalid(
                f"{path}:{line}: is damaged {name} on this line or below: half a character; save it again, as UTF-8"
            ) from None
        line += text.count("\n")
        yield text.encode()


def _decode(
    decoder: codecs.IncrementalDecoder, block: bytes, path: Path, before: int, line: int, *, final: bool = False
) -> None:
    """Decode a block; raise InputInvalid if that fails.

    Args:
        decoder: keeps the beginning of a character that the next block completes.
        block: the bytes.
        path: path of the file.
        before: bytes of the file before the block.
        line: line breaks of the file before the block.
        final: whether the file ends with the block.
    """
    try:
        decoder.decode(block, final)
    except UnicodeDecodeError as error:
        # The decoder keeps the last bytes of the previous block if they are the beginning of a character.
        at = before - (len(error.object) - len(block)) + error.start
        line += error.object.count(b"\n", 0, error.start) + 1
        raise InputInvalid(
            f"{path}:{line}: is not UTF-8: byte 0x{error.object[error.start]:02X} at position {at}; "
            f"{_advice(path, 'WINDOWS-1252')}"
        ) from None


def advice_about_nuls(path: Path) -> str:
    """Return advice for a file whose heading has NUL bytes; in UTF-16, all their positions are even, or all are odd."""
    with path.open("rb") as file:
        head = file.read(_WINDOW)
    parities = {position % 2 for position, byte in enumerate(head) if not byte}
    if head.count(b"\0") < _NULS_OF_UTF16 or len(parities) != 1:
        return "save it as UTF-8, in Excel as CSV UTF-8"
    return _advice(path, "UTF-16LE" if parities == {1} else "UTF-16BE")


def _advice(path: Path, encoding: str) -> str:
    return (
        f"save it as UTF-8, or convert it, if it is {encoding}: "
        f"iconv -f {encoding} -t UTF-8 {path.name} > {path.stem}.utf8{path.suffix}"
    )
