"""Checks that a text file is UTF-8, with or without a byte order mark, and says how to convert any other encoding."""

import codecs
from pathlib import Path

from producers.errors import InputInvalid

_BLOCK = 1 << 20


def check(path: Path) -> None:
    """Read a whole file, at about 1 GB/s, and raise InputInvalid with the line if it is not UTF-8.

    Called before any row is used, so that a wrong byte near the end of the file leaves nothing half-done.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    before = line = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            if before == 0 and block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise InputInvalid(f"{path}: is UTF-16, not UTF-8; {_advice(path, 'UTF-16')}")
            _decode(decoder, block, path, before, line)
            before += len(block)
            line += block.count(b"\n")
        _decode(decoder, b"", path, before, line, final=True)


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
