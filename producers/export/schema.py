"""The columns of an export: their names, their types and their order, which do not change between versions."""

from enum import StrEnum
from typing import Final, NamedTuple

from producers.recipients.guarded_cells import REPORT_COLUMNS


class ColumnType(StrEnum):
    """The type of a column's values; each may be None where a message has no such value."""

    TEXT = "text"
    INTEGER = "integer"
    TIME = "time"
    """Epoch milliseconds; each writer writes the time in its own way."""


class Column(NamedTuple):
    """One column of an export."""

    name: str
    type: ColumnType
    is_foreign: bool = False
    """Whether the values are user input: from the recipients file, the campaign file or the settings."""


_TEXT, _INTEGER, _TIME = ColumnType.TEXT, ColumnType.INTEGER, ColumnType.TIME

FIXED: Final = (
    Column("campaign", _TEXT),
    Column("name", _TEXT, is_foreign=True),
    Column("sender", _TEXT),
    Column("template", _TEXT, is_foreign=True),
    Column("index", _INTEGER),
    Column("line", _INTEGER),
    Column("number", _TEXT),
    Column("state", _TEXT),
    Column("code", _INTEGER),
    Column("code_from", _TEXT),
    Column("meaning", _TEXT, is_foreign=True),
    Column("attempt", _INTEGER),
    Column("parts", _INTEGER),
    Column("submitted_at", _TIME),
    Column("sent_at", _TIME),
    Column("reported_at", _TIME),
    Column("transaction_id", _TEXT),
)
"""The columns of every export. A later version may add columns after them, but changes none of them."""

assert tuple(column.name for column in FIXED) == REPORT_COLUMNS  # noqa: S101  # the reader of recipients knows the heading


def columns_of(slots: int, own: tuple[str, ...] = ()) -> tuple[Column, ...]:
    """Return all columns of an export.

    Args:
        slots: the greatest number of slots of a campaign's text; the columns of values are ``var1``, ``var2`` …
        own: names of columns of the recipients file; they get the prefix ``own_``, so that no name occurs twice.
    """
    return (
        *FIXED,
        *(Column(f"var{number}", _TEXT, is_foreign=True) for number in range(1, slots + 1)),
        *(Column(f"own_{name}", _TEXT, is_foreign=True) for name in own),
    )
