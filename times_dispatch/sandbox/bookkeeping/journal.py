"""A file that keeps the books during a restart: one line per entry, written before the client gets its response."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from times_dispatch.sandbox.bookkeeping.entries import Entry

_decode = msgspec.json.Decoder(Entry).decode
_encode = msgspec.json.Encoder().encode
_OLD_FAULT_TAG, _FAULT_TAG = b'["mishap",', b'["injected_fault",'
"""The beginnings of a line about an injected fault: in journals of earlier versions, and in new journals."""


class Journal:
    """Appends entries without buffering: entries survive the death of the process, but not a power failure."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("ab", buffering=0)

    def read(self) -> Iterator[Entry]:
        """Yield the entries of the file; an incomplete last line is removed from the file."""
        complete_bytes = 0
        with self._path.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                complete_bytes += len(line)
                yield _decode(line.replace(_OLD_FAULT_TAG, _FAULT_TAG, 1))
        self._file.truncate(complete_bytes)

    def write(self, entry: Entry) -> None:
        """Append an entry; the entry is in the file when the call returns."""
        self._file.write(_encode(entry) + b"\n")

    def clear(self) -> None:
        """Remove all entries from the file."""
        self._file.truncate(0)

    def close(self) -> None:
        """Close the file; nothing can be written afterwards."""
        self._file.close()
