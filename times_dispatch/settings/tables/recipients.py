"""``[recipients]``: the meaning of cells in recipients files."""

from typing import Annotated

from pydantic import Field, FiniteFloat

from times_dispatch.settings.toml.strict_table import StrictTable

NO_VALUE = (
    "NULL",
    "(null)",
    "[null]",
    "<null>",
    "None",
    "<none>",
    "nil",
    "<nil>",
    "NaN",
    "-nan",
    "NaT",
    "<NA>",
    "NA",
    "N/A",
    "N.A.",
    "N.A",
    "n/a",
    "1.#QNAN",
    "-1.#IND",
    "1.#IND",
    "-1.#QNAN",
    "nan(ind)",
    "-nan(ind)",
    "#NA",
    r"\N",
    "undefined",
    "(none)",
    "N\\A",
    "n/a.",
    "N-A",
    "NA.",
    "N. A.",
    "N / A",
    "N /A",
    "N/ A",
    "nill",
    "invalid date",
    "null null",
    "nan nan",
    "undefined undefined",
    "- -",
    "(blank)",
    "(empty)",
    "blank",
    "empty",
    "not available",
    "not applicable",
    "no value",
    "no data",
    "no record",
    "unspecified",
    "nodata",
    "novalue",
    "not set",
    "not known",
    "unknown",
    "[]",
    "not provided",
    "not specified",
    *("missing", "unset", "not found", "not given", "not entered", "not mentioned", "not updated", "not-available"),
    *("no data available", "data not available", "no name", "noname", "DBNull", "None.", "null.", "nil.", "nan."),
    *("not avail", "not avail.", "not avl", "not avl.", "no info", "no information", "no data found", "data not found"),
    *("none provided", "none given", "not recorded", "not assigned", "unassigned", "not disclosed", "not captured"),
    *("to be advised", "update pending", "pending update", "record not found", "no number", "no phone", "no mobile"),
    *("*", "**", "#"),
    "♦ not applicable",
    "TBD",
    "TBA",
    "TBC",
    "to be decided",
    "to be announced",
    "to be confirmed",
    "to be updated",
    "-",
    "--",
    "---",
    "–",
    "—",
    "_",
    "__",
    "___",
    ".",
    "..",
    "...",
    "…",
)
"""The texts that databases, programs and people write for a missing value."""


class RecipientsSettings(StrictTable):
    """The rules for reading recipients files."""

    no_value: list[Annotated[str, Field(min_length=1)]] = Field(default_factory=lambda: list(NO_VALUE))
    """The words that mean that a cell has no value. Case, and quotes, brackets or dashes around a word are ignored, and
    more than three equal signs in a row count as three. A row with such a cell is refused like a row with an empty
    cell, unless the variable has a default.
    """
    max_unpacked_mb: Annotated[int, Field(ge=1, le=1_000_000)] = 2_000
    """The maximum size, in megabytes, of an unpacked workbook or Parquet file."""
    max_rows: Annotated[int, Field(ge=1, le=1_000_000_000)] = 5_000_000
    """The maximum number of rows of a workbook or Parquet file."""
    max_reader_memory_mb: Annotated[int, Field(ge=100, le=1_000_000)] = 1_000
    """The megabytes of memory that the process that reads a workbook or Parquet file may use."""
    max_reader_s: Annotated[FiniteFloat, Field(ge=1, le=3_600)] = 60.0
    """The time, in seconds, within which the process must open a workbook or Parquet file, or read the next thousand
    rows.
    """
