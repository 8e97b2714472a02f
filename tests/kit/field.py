"""Writes recipients files with one value per row, and checks which values would be sent and which refused."""

from dataclasses import dataclass, field
from pathlib import Path

from xlsxwriter import Workbook

from producers.draft import Draft
from tests.kit.producers import load_settings

_SETTINGS = """
[providers.tm]
preset = "timesmobile-post"

[senders.TIMESM]
category = "service"
entity_id = "1234567890123456789"
{sender}

[templates.value]
sender = "TIMESM"
content_id = "1107000000000000001"
text = "Value: {{#var#}}. - TIMESM"
{more}
"""

NUMBERS = [str(9_876_543_210 + number) for number in range(100)]
"""Invented mobile numbers."""


@dataclass
class Checked:
    """The result of the checks of a submit."""

    values: list[str] = field(default_factory=list)
    """The values that would be sent, in the order of the rows."""
    to: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """The reasons of the refused rows, in the order of the rows."""
    warnings: list[str] = field(default_factory=list)
    source: str = ""
    rejects: Path = Path()


def check_values(
    recipients: Path, variable: str = "{value}", *, sender: str = "", more: str = "", keep_rejects: bool = False
) -> Checked:
    """Check a file with the columns to and value.

    Args:
        recipients: path of the recipients file; the campaign file and the settings are written beside it.
        variable: the campaign's variable.
        sender: further lines of the sender's table.
        more: further tables of the settings.
        keep_rejects: whether the refused rows are written to the rejects file.

    Raises:
        InputInvalid: the file as a whole cannot be used.
    """
    settings = load_settings(_write(recipients.with_name("dispatch.toml"), _SETTINGS.format(sender=sender, more=more)))
    campaign = _write(
        recipients.with_name("campaign.toml"),
        f"name = 'test'\nsender = 'TIMESM'\ntemplate = 'value'\nvariables = ['{variable}']\n",
    )
    draft = Draft(campaign, recipients, settings=settings)
    checked = Checked(source=draft.file.source, rejects=draft.rejects)
    with draft.read(rejects=keep_rejects) as row_pass:
        for chunk in draft.file.chunks():
            rows = row_pass.checker.check(chunk)
            checked.to += rows.to
            checked.values += rows.slots[0]
            checked.refused += [row.finding.message for row in rows.refused]
            if row_pass.rejects:
                row_pass.rejects.write(rows.refused)
        row_pass.keep_rejects()
        checked.warnings += row_pass.warnings()
    return checked


def csv_with(path: Path, *values: str, heading: str = "to,value") -> Path:
    """Write a CSV file with one row for each value; the values are not quoted or escaped."""
    rows = [f"{number},{value}" for number, value in zip(NUMBERS, values, strict=False)]
    return _write(path, "\n".join([heading, *rows, ""]))


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def workbook_with(path: Path, *cells: tuple[object, str]) -> Path:
    """Write a workbook with one row for each value and its number format."""
    with Workbook(path) as workbook:
        sheet = workbook.add_worksheet("List")
        sheet.write_row(0, 0, ["to", "value"])
        for row, (value, number_format) in enumerate(cells, 1):
            sheet.write(row, 0, int(NUMBERS[row]))
            sheet.write(row, 1, value, workbook.add_format({"num_format": number_format}))
    return path
