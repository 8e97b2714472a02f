"""The limits for reading a recipients file: unpacked bytes, rows, memory and time."""

from typing import Protocol

import msgspec

MEGABYTE = 1_000_000


class ReaderSettings(Protocol):
    """The limits in the table ``[recipients]`` of dispatch.toml."""

    max_unpacked_mb: int
    max_rows: int
    max_reader_memory_mb: int
    max_reader_s: float


class ReaderLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of one reader; the names are equal to the names in the settings."""

    max_unpacked_mb: int = 2_000
    """Megabytes to which a file may unpack."""
    max_rows: int = 5_000_000
    """Rows that a file may have."""
    max_reader_memory_mb: int = 1_000
    """Megabytes of memory that the child process may use."""
    max_reader_s: float = 60.0
    """Seconds that the child may take to open the file, and to read the next thousand rows."""

    @classmethod
    def of(cls, settings: ReaderSettings) -> "ReaderLimits":
        """Return the limits from the settings."""
        return cls(
            max_unpacked_mb=settings.max_unpacked_mb,
            max_rows=settings.max_rows,
            max_reader_memory_mb=settings.max_reader_memory_mb,
            max_reader_s=settings.max_reader_s,
        )


DEFAULT_LIMITS = ReaderLimits()
