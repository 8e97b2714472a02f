"""The guard against formulas: an apostrophe before a cell of the project's CSV files that a spreadsheet would run."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

REJECTS_COLUMNS: Final = ("line", "reason", "refused value", "what to do")
"""The first columns of a rejects file."""
EXPORT_COLUMNS: Final = ("line", "to")
"""The first columns of an export of a campaign's rows."""
EXPORT_LAST_COLUMN: Final = "code"
REPORT_COLUMNS: Final = (
    *("campaign", "name", "sender", "template", "index", "line", "number", "state", "code", "code_from", "meaning"),
    *("attempt", "parts", "submitted_at", "sent_at", "reported_at", "transaction_id"),
)
"""The first columns of the files that ``dispatch report`` writes."""

_BEGINS_FORMULA: Final = re.compile(r"'*\s*[=+\-@\t\r\n＝＋－＠]")
"""The characters that begin a formula; spreadsheets in East Asia also accept the wide forms."""
_NUMBER: Final = re.compile(r"[+-]?[0-9][0-9.,]*")


def guard(cell: str) -> str:
    """Put an apostrophe before a cell that a spreadsheet would run as a formula; numbers are not changed."""
    return f"'{cell}" if _runs(cell) else cell


def guard_all(cells: Iterable[object]) -> list[str]:
    """Return the cells of a row as texts with guards."""
    return [guard(str(cell)) for cell in cells]


def unguard(cell: str) -> str:
    """Return the cell from which ``guard`` made this cell."""
    return cell[1:] if cell.startswith("'") and _runs(cell[1:]) else cell


def is_rejects(names: Sequence[str]) -> bool:
    """Return whether a heading is the heading of a rejects file."""
    return tuple(names[: len(REJECTS_COLUMNS)]) == REJECTS_COLUMNS


def has_guards(names: Sequence[str]) -> bool:
    """Return whether a heading is the heading of a file of this project, whose cells have guards."""
    is_report = tuple(names[: len(REPORT_COLUMNS)]) == REPORT_COLUMNS
    return (
        is_rejects(names)
        or is_report
        or (
            tuple(names[: len(EXPORT_COLUMNS)]) == EXPORT_COLUMNS and names[-1] == EXPORT_LAST_COLUMN and len(names) > 2
        )
    )


def _runs(cell: str) -> bool:
    return _BEGINS_FORMULA.match(cell) is not None and _NUMBER.fullmatch(cell) is None
