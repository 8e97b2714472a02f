"""Checks that a text file is UTF-8 and that its lines have an end, and says how to convert any other encoding."""

import codecs
from pathlib import Path

from producers.errors import InputInvalid
from producers.recipients.file import CHUNK_ROWS

MAX_LINE_BYTES = 4_000_000
"""A longer line is none of a table: a cell has at most 131,072 characters."""
_BLOCK = 1 << 20
_WINDOW = 1 << 11
"""Lines shorter than this are not measured."""
_CHUNK_BYTES = 2 * _WINDOW * CHUNK_ROWS


def check(path: Path, *, line_ends: tuple[bytes, ...]) -> int:
    """Read a whole file, at about 1 GB/s, and return how many of its rows may be in memory at the same time.

    Called before any row is used, so that a wrong byte near the end of the file leaves nothing half-done. Raises
    InputInvalid with the line if the file is not UTF-8, or if a line has no end.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    before = line = without_end = longest = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            if before == 0 and block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise InputInvalid(f"{path}: is UTF-16, not UTF-8; {_advice(path, 'UTF-16')}")
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


def _advice(path: Path, encoding: str) -> str:
    return (
        f"save it as UTF-8, or convert it, if it is {encoding}: "
        f"iconv -f {encoding} -t UTF-8 {path.name} > {path.stem}.utf8{path.suffix}"
    )
