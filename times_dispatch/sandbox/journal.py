"""A file that lets the books outlive their process: one line per entry, written before anybody is told."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from times_dispatch.sandbox.entries import Entry

_decode = msgspec.json.Decoder(Entry).decode
_encode = msgspec.json.Encoder().encode


class Journal:
    """Appends entries unbuffered: they survive the death of the process, though not that of the machine."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("ab", buffering=0)

    def read(self) -> Iterator[Entry]:
        """Read what is there; a last line that was cut off is dropped from the file."""
        whole = 0
        with self._path.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
                yield _decode(line)
        self._file.truncate(whole)

    def write(self, entry: Entry) -> None:
        """Append one entry."""
        self._file.write(_encode(entry) + b"\n")

    def clear(self) -> None:
        """Forget everything."""
        self._file.truncate(0)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
