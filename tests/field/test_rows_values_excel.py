"""Values of workbooks become the texts that a person sees in the sheet."""

import re
import shutil
import zipfile
from datetime import date, datetime, time
from pathlib import Path

import pytest
from xlsxwriter import Workbook

from producers.errors import InputInvalid
from tests.kit.field import NUMBERS, check_values, workbook_with

FILES = Path(__file__).parent / "files"

SEEN: list[tuple[object, str, str]] = [
    (0.18, "0%", "18%"),
    (0.075, "0.00%", "7.50%"),
    (588.8199999999999, "General", "588.82"),
    (588.8199999999999, "#,##0.00", "588.82"),
    (1 / 3, "General", "0.333333333"),
    (1e-12, "General", "0.000000000001"),
    (0.1 + 0.2 - 0.3, "General", "0"),
    (0.3 - 0.1 - 0.2, "General", "0"),
    (1234567.5, "#,##,##0.00;[Red]-#,##,##0.00", "12,34,567.50"),
    (-1234567.5, "#,##,##0.00;[Red]-#,##,##0.00", "-12,34,567.50"),
    (1234567, '"Rs "#,##,##0;"Rs "(#,##,##0);"Nil"', "Rs 12,34,567"),
    (time(13, 5), "h:mm a/p", "1:05 p"),
    (time(1, 5), "h:mm A/P", "1:05 A"),
    (99.5, "0.00", "99.50"),
    (12.5, '"Rs ".00', "Rs 12.50"),
    (10.5 / 24 + 15.25 / 86400, "hh:mm:ss.000", "10:30:15.250"),
    (10.5 / 24 + 15.25 / 86400, "hh:mm:ss", "10:30:15"),
    (46356 + 10.5 / 24 + 15.75 / 86400, "dd-mm-yyyy h:mm:ss.0 AM/PM", "30-11-2026 10:30:15.8 AM"),
    (46356 + 0.5 / 86400, "dd-mm-yyyy hh:mm:ss.0", "30-11-2026 00:00:00.5"),
    (75.25 / 86400, "[s].00", "75.25"),
    (1.5 + 2.5 / 86400, "[h]:mm:ss.0", "36:00:02.5"),
    (1234567.5, "#,##0.00", "1,234,567.50"),
    (1234567.5, "[$₹-4009] #,##,##0.00", "₹ 12,34,567.50"),
    (1234567, r"[>=10000000]##\,##\,##\,##0;[>=100000]##\,##\,##0;##,##0", "12,34,567"),
    (499, '"Rs "#,##0', "Rs 499"),
    (1499, "Rs. #,##0", "Rs. 1,499"),
    (-1234.5, "#,##0.00_);(#,##0.00)", "(1,234.50)"),
    (1250, '_("Rs"* #,##0.00_);_("Rs"* (#,##0.00);_("Rs"* "-"??_);_(@_)', "Rs 1,250.00"),
    (1234, "000000", "001234"),
    (1234.5, '_ [$₹-4009] * #,##0.00_ ;_ [$₹-4009] * -#,##0.00_ ;_ [$₹-4009] * "-"??_ ;_ @_ ', "₹ 1,234.50"),
    (15000000, '0.00,,"Cr"', "15.00Cr"),
    (560001, "000 000", "560 001"),
    (0.1825, "0.0%", "18.3%"),
    (5, '"Rs. "0"/-"', "Rs. 5/-"),
    (0, '"Yes";"Yes";"No"', "No"),
    (12345678901234, "General", "12345678901234"),
    (919876543210, "0.00E+00", "919876543210"),
    (True, "General", "TRUE"),
    (date(2026, 11, 30), "dd-mmm-yyyy", "30-Nov-2026"),
    (date(2026, 11, 30), "dd/mm/yyyy", "30/11/2026"),
    (date(2026, 11, 30), "d mmmm yyyy", "30 November 2026"),
    (date(2026, 11, 30), "dddd", "Monday"),
    (1, "dddd", "Sunday"),
    (7, "ddd", "Sat"),
    (date(2026, 11, 30), "[$-409]d-mmm-yy;@", "30-Nov-26"),
    (date(2026, 11, 30), "mm-dd-yy", "11-30-26"),
    (date(2026, 11, 30), "[$-439]d mmmm yyyy", "30 नवम्बर 2026"),
    (date(2026, 2, 1), "[$-0439]ddd, d mmm yy", "रवि., 1 फरवरी 26"),
    (date(2026, 11, 30), "[$-hi-IN]dddd", "सोमवार"),
    (date(2026, 11, 30), "[$-4000439]dd-mm-yyyy", "३०-११-२०२६"),
    (date(2026, 11, 30), "[$-4009]dd mmmm yyyy;@", "30 November 2026"),
    (date(2026, 11, 30), "[$-en-IN]d-mmm-yy", "30-Nov-26"),
    (date(2026, 11, 30), "[$-407]dd.mm.yyyy", "30.11.2026"),
    (1234567, "[$-4000439]#,##,##0", "१२,३४,५६७"),
    (1234567, "[$₹-4000439]#,##0", "₹१२,३४,५६७"),
    (1234567, "[$₹-447] #,##0", "₹ 12,34,567"),
    (1234567, "[$₹-44E] #,##0.00", "₹ 12,34,567.00"),
    (1234567, "[$₹-mr-IN] #,##0.00", "₹ 12,34,567.00"),
    (1234567, "[$-4000439][$₹-4009]#,##0", "₹१२,३४,५६७"),
    (1234567, "[$$-409]#,##0", "$1,234,567"),
    (date(2026, 11, 30), "B1dd/mm/yyyy", "30/11/2026"),
    (date(2026, 11, 30), "[$-3000420]dd/mm/yyyy", "۳۰/۱۱/۲۰۲۶"),
    (date(2026, 11, 30), "[$-14009]d mmm yyyy", "30 Nov 2026"),
    (time(10, 30), "B2hh:mm", "10:30"),
    (datetime(2026, 11, 30), "yyyy-mm-dd hh:mm:ss", "2026-11-30"),  # noqa: DTZ001
    (datetime(2026, 11, 30, 10, 30), "yyyy-mm-dd hh:mm:ss", "2026-11-30 10:30:00"),  # noqa: DTZ001
    (datetime(2026, 11, 30, 18, 5), "dd-mm-yyyy h:mm AM/PM", "30-11-2026 6:05 PM"),  # noqa: DTZ001
    (time(10, 30), "hh:mm AM/PM", "10:30 AM"),
    (time(10, 30), "h:mm", "10:30"),
    (time(10, 30), "yyyy-mm-dd hh:mm:ss", "10:30:00"),
    (1.5, "[h]:mm", "36:00"),
    (5, '0" days"', "5 days"),
    ("Rao", '"Mr. "@', "Mr. Rao"),
    ("Rao", '0;-0;0;"Mr. "@', "Mr. Rao"),
    ("Rao", "#,##0", "Rao"),
    (5, '"No. "@', "No. 5"),
    (60, "dd-mmm-yyyy", "29-Feb-1900"),
    (59, "dd-mmm-yyyy", "28-Feb-1900"),
    (61, "dd-mmm-yyyy", "01-Mar-1900"),
    (0, "h:mm", "0:00"),
    (150, "[Red][>=100]0;[Blue]0.0", "150"),
    (50, "[Red][>=100]0;[Blue]0.0", "50.0"),
    (150, '[>=100]"High";"Low"', "High"),
    (1234567890, r"[>=10000000]##\,##\,##\,##0;[>=100000]##\,##\,##0;##,##0", "123,45,67,890"),
    (1.25, "# ?/?", "1 1/4"),
    (2.5, "?/?", "5/2"),
    (0.5, "# ?/8", "4/8"),
    (3.25, "0 ?/4", "3 1/4"),
    (0.0625, "[h]:mm", "1:30"),
    (12345.0, "0.00E+00", "12345"),
    (1499.5, "#,##0.00 [$€-407]", "1,499.50 €"),
    (date(2026, 11, 30), "dd-mm-e", "30-11-2026"),
    (date(2026, 11, 30), "e/mm/dd", "2026/11/30"),
    (date(2026, 11, 30), "e-mm-dd", "2026-11-30"),
    (9876543210, "00000 00000", "98765 43210"),
]
"""A value, the value's number format, and the text that the sheet shows."""


def test_a_value_is_what_the_sheet_shows(tmp_path: Path) -> None:
    checked = check_values(workbook_with(tmp_path / "a.xlsx", *(cell[:2] for cell in SEEN)))

    assert checked.refused == []
    different = {cell: value for cell, value in zip(SEEN, checked.values, strict=True) if value != cell[2]}
    assert different == {}


@pytest.mark.parametrize("locale", ["44E", "449", "407", "mr-IN", "fr-FR"])
def test_a_month_in_a_language_whose_names_are_unknown_is_refused(tmp_path: Path, locale: str) -> None:
    checked = check_values(workbook_with(tmp_path / "a.xlsx", (date(2026, 11, 30), f"[$-{locale}]d mmmm yyyy")))

    assert checked.values == []
    assert checked.refused[0].startswith("value is a date with the name of a month or day in a language that is not")


@pytest.mark.parametrize("number_format", ["B2dd/mm/yyyy", "[$-2060401]dd/mm/yyyy", "[$-1070000]d/m/yyyy"])
def test_a_date_in_another_calendar_is_refused(tmp_path: Path, number_format: str) -> None:
    checked = check_values(workbook_with(tmp_path / "a.xlsx", (date(2026, 11, 30), number_format)))

    assert checked.values == []
    assert checked.refused[0].startswith("value is a date in a calendar that is not known here")


@pytest.mark.parametrize(
    ("moment", "number_format", "seen"),
    [
        ("2026-11-30", "dd-mmm-yyyy", "30-Nov-2026"),
        ("2026-11-30T10:30:00", "dd/mm/yyyy hh:mm", "30/11/2026 10:30"),
        ("2026-11-30T10:30:00.000Z", "dd-mmm", "30-Nov"),
        ("10:30:00", "h:mm AM/PM", "10:30 AM"),
        ("10:30:00+05:30", "h:mm AM/PM", "10:30 AM"),
        ("10:30:00Z", "hh:mm", "10:30"),
        ("1900-01-02", "dd/mm/yyyy", "02/01/1900"),
        ("1900-02-28", "dd/mm/yyyy", "28/02/1900"),
        ("1900-03-01", "dd/mm/yyyy", "01/03/1900"),
        ("2026-11-30T00:00:00", "General", "2026-11-30"),
        ("no date", "dd-mmm", "no date"),
    ],
)
def test_a_date_in_iso_form_is_shown_in_the_format_of_its_cell(
    tmp_path: Path, moment: str, number_format: str, seen: str
) -> None:
    path = workbook_with(tmp_path / "a.xlsx", (7, number_format))
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = re.sub(
        r'(<c r="B2"[^>]*)><v>7</v>', rf'\1 t="d"><v>{moment}</v>', parts["xl/worksheets/sheet1.xml"].decode()
    )
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (parts | {"xl/worksheets/sheet1.xml": sheet.encode()}).items():
            archive.writestr(name, content)

    assert check_values(path).values == [seen]


def test_a_formula_is_its_result(tmp_path: Path) -> None:
    with Workbook(tmp_path / "a.xlsx") as workbook:
        sheet = workbook.add_worksheet()
        sheet.write_row(0, 0, ["to", "value"])
        sheet.write(1, 0, NUMBERS[0])
        sheet.write_formula(1, 1, "=1+1", value=2)

    checked = check_values(tmp_path / "a.xlsx")

    assert (checked.values, checked.refused) == (["2"], [])


def test_the_short_date_of_the_computer_is_that_of_india(tmp_path: Path) -> None:
    with Workbook(tmp_path / "a.xlsx") as workbook:
        sheet = workbook.add_worksheet()
        sheet.write_row(0, 0, ["to", "value"])
        sheet.write(1, 0, NUMBERS[0])
        sheet.write(1, 1, date(2026, 11, 30), workbook.add_format({"num_format": 14}))

    assert check_values(tmp_path / "a.xlsx").values == ["30-11-2026"]


def test_a_workbook_of_a_mac_counts_its_days_from_1904(tmp_path: Path) -> None:
    with Workbook(tmp_path / "a.xlsx", {"date_1904": True}) as workbook:
        sheet = workbook.add_worksheet()
        sheet.write_row(0, 0, ["to", "value"])
        sheet.write(1, 0, NUMBERS[0])
        sheet.write(1, 1, date(2026, 11, 30), workbook.add_format({"num_format": "dd-mmm-yyyy"}))

    assert check_values(tmp_path / "a.xlsx").values == ["30-Nov-2026"]


@pytest.mark.parametrize("from_1904", [False, True])
def test_the_day_zero_of_a_sheet_is_no_value(tmp_path: Path, from_1904: bool) -> None:
    number_formats = ["dd-mmm-yyyy", "d/m/yy", "dddd, d mmmm yyyy", "dd-mm-yyyy hh:mm"]
    with Workbook(tmp_path / "a.xlsx", {"date_1904": from_1904}) as workbook:
        sheet = workbook.add_worksheet()
        sheet.write_row(0, 0, ["to", "value"])
        for row, number_format in enumerate(number_formats, 1):
            sheet.write(row, 0, NUMBERS[row])
            sheet.write(row, 1, 0, workbook.add_format({"num_format": number_format}))

    checked = check_values(tmp_path / "a.xlsx")

    assert checked.refused == 4 * [
        "value holds the first or last day of a program's calendar, which stands for no date"
    ]
    assert check_values(tmp_path / "a.xlsx", "{value|soon}").values == 4 * ["soon"]


def test_a_number_of_more_than_15_digits_is_refused(tmp_path: Path) -> None:
    numbers = [123456789012345678, 1e21, 10**15]
    cells = [(number, number_format) for number in numbers for number_format in ("General", "0", "#,##0")]
    checked = check_values(workbook_with(tmp_path / "a.xlsx", *cells, ("fine", "@")))

    assert checked.values == ["fine"]
    assert checked.refused == 9 * [
        (
            "value is a number of more than 15 digits, the last of which may be lost: "
            "format the column as text, and enter the value again"
        )
    ]


def test_a_number_of_15_digits_is_sent(tmp_path: Path) -> None:
    assert check_values(workbook_with(tmp_path / "a.xlsx", (10**15 - 1, "0"))).values == ["999999999999999"]


def test_a_damaged_value_of_a_column_that_is_not_used_makes_no_row_wrong(tmp_path: Path) -> None:
    with Workbook(tmp_path / "a.xlsx") as workbook:
        sheet = workbook.add_worksheet()
        sheet.write_row(0, 0, ["to", "value", "other"])
        sheet.write_row(1, 0, [NUMBERS[0], "Asha", 1e21])

    assert check_values(tmp_path / "a.xlsx").values == ["Asha"]


@pytest.mark.parametrize("formula", ["<f>A1&amp;B1</f>", "<f>A1&amp;B1</f><v/>", "<f>A1&amp;B1</f><v></v>"])
def test_a_formula_without_a_result_is_refused_with_the_reason(tmp_path: Path, formula: str) -> None:
    path = workbook_with(tmp_path / "a.xlsx", (7, "0"))
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = parts["xl/worksheets/sheet1.xml"].decode().replace("<v>7</v>", formula)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (parts | {"xl/worksheets/sheet1.xml": sheet.encode()}).items():
            archive.writestr(name, content)

    assert check_values(path).refused == [
        "value holds a formula without a result: open the file in a spreadsheet program and save it"
    ]


def test_the_first_visible_sheet_is_read_and_named_and_the_others_are_named_too(tmp_path: Path) -> None:
    with Workbook(tmp_path / "a.xlsx") as workbook:
        for number, name in enumerate(("Oct list", "Nov list", "Dec list")):
            sheet = workbook.add_worksheet(name)
            sheet.write_row(0, 0, ["to", "value"])
            sheet.write_row(1, 0, [NUMBERS[number], name])
        workbook.sheetnames["Nov list"].activate()
        workbook.sheetnames["Nov list"].set_first_sheet()
        workbook.sheetnames["Oct list"].hide()

    checked = check_values(tmp_path / "a.xlsx")

    assert checked.values == ["Nov list"]
    assert checked.source == "a.xlsx, sheet Nov list"
    assert checked.warnings == [
        (
            "a.xlsx: only the sheet Nov list is read, and not Dec list, Oct list (hidden); to send to another "
            "sheet, make it the first visible one"
        )
    ]


def test_a_title_above_the_heading_is_left_out(tmp_path: Path) -> None:
    with Workbook(tmp_path / "a.xlsx") as workbook:
        sheet = workbook.add_worksheet()
        sheet.write(0, 0, "Customers of November")
        sheet.write_row(2, 0, ["to", "value"])
        sheet.write_row(3, 0, [NUMBERS[0], "Asha"])

    checked = check_values(tmp_path / "a.xlsx")

    assert checked.values == ["Asha"]
    assert checked.warnings == ["a.xlsx: 1 row above the heading is left out"]


def test_hidden_rows_are_left_out_and_counted(tmp_path: Path) -> None:
    with Workbook(tmp_path / "a.xlsx") as workbook:
        sheet = workbook.add_worksheet()
        sheet.write_row(0, 0, ["to", "value"])
        for row in range(1, 8):
            sheet.write_row(row, 0, [NUMBERS[row], f"row {row + 1}"])
        for row in (2, 4, 5, 6):
            sheet.set_row(row, options={"hidden": True})

    checked = check_values(tmp_path / "a.xlsx")

    assert checked.values == ["row 2", "row 4", "row 8"]
    assert checked.warnings == [
        "a.xlsx: 4 hidden rows are left out (row 3, 5, 6, …); to send to them, show all rows, and save the file"
    ]


@pytest.mark.parametrize("hide", [{"hidden": True}, {"level": 1, "hidden": True}])
def test_a_hidden_column_that_is_used_is_named(tmp_path: Path, hide: dict[str, int]) -> None:
    with Workbook(tmp_path / "a.xlsx") as workbook:
        sheet = workbook.add_worksheet()
        sheet.write_row(0, 0, ["to", "note", "value"])
        sheet.write_row(1, 0, [NUMBERS[0], "new", "Asha"])
        sheet.set_column(1, 2, 12, options=hide)

    checked = check_values(tmp_path / "a.xlsx")

    assert checked.values == ["Asha"]
    assert checked.warnings == [
        "a.xlsx: the column value will be used, although hidden in the sheet; show all columns, and check the values"
    ]


def test_a_column_range_that_begins_before_the_sheet_takes_no_memory(tmp_path: Path) -> None:
    with Workbook(tmp_path / "a.xlsx") as workbook:
        sheet = workbook.add_worksheet()
        sheet.write_row(0, 0, ["to", "note", "value"])
        sheet.write_row(1, 0, [NUMBERS[0], "new", "Asha"])
        sheet.set_column(1, 2, 12, options={"hidden": True})
    with zipfile.ZipFile(tmp_path / "a.xlsx") as whole, zipfile.ZipFile(tmp_path / "b.xlsx", "w") as changed:
        for name in whole.namelist():
            changed.writestr(name, whole.read(name).replace(b'<col min="2"', b'<col min="-999999999"'))

    assert check_values(tmp_path / "b.xlsx").values == ["Asha"]


def test_a_hidden_column_that_is_not_used_has_no_warning(tmp_path: Path) -> None:
    with Workbook(tmp_path / "a.xlsx") as workbook:
        sheet = workbook.add_worksheet()
        sheet.write_row(0, 0, ["to", "note", "value"])
        sheet.write_row(1, 0, [NUMBERS[0], "new", "Asha"])
        sheet.set_column(1, 1, 12, options={"hidden": True})

    assert check_values(tmp_path / "a.xlsx").warnings == []


def test_hidden_columns_of_an_old_workbook_are_named(tmp_path: Path) -> None:
    (warning,) = check_values(Path(shutil.copy(FILES / "hidden_columns.xls", tmp_path))).warnings

    assert warning.startswith("hidden_columns.xls: the columns to, value will be used, although hidden in the sheet")


def test_a_workbook_without_a_visible_row_is_refused(tmp_path: Path) -> None:
    with Workbook(tmp_path / "a.xlsx") as workbook:
        sheet = workbook.add_worksheet("List")
        sheet.write_row(0, 0, ["to", "value"])
        sheet.write_row(1, 0, [NUMBERS[0], "Asha"])
        sheet.set_row(1, options={"hidden": True})

    with pytest.raises(InputInvalid, match="its sheet List has a heading and no rows that are shown"):
        check_values(tmp_path / "a.xlsx")


def test_an_old_workbook_shows_the_same(tmp_path: Path) -> None:
    checked = check_values(Path(shutil.copy(FILES / "kinds.xls", tmp_path)))

    assert checked.values == ["30-Nov-2026", "10:30", "18%", "1,234.50", "588.82", "fine"]
    assert checked.refused == [
        (
            "value is a number of more than 15 digits, the last of which may be lost: "
            "format the column as text, and enter the value again"
        )
    ]
    assert checked.source == "kinds.xls, sheet Nov list"
    assert [warning.partition(";")[0] for warning in checked.warnings] == [
        "kinds.xls: only the sheet Nov list is read, and not Oct list (hidden)",
        "kinds.xls: 1 hidden row is left out (row 9)",
    ]


def test_the_refusal_of_a_sheet_without_rows_names_the_other_sheets(tmp_path: Path) -> None:
    with Workbook(tmp_path / "a.xlsx") as workbook:
        workbook.add_worksheet("Summary").write(0, 0, "Customers of November")
        workbook.add_worksheet("Customers").write_row(0, 0, ["to", "value"])

    with pytest.raises(InputInvalid, match="make Customers the first visible sheet to send to it"):
        check_values(tmp_path / "a.xlsx")


def test_an_opendocument_workbook_shows_the_same(tmp_path: Path) -> None:
    office = "urn:oasis:names:tc:opendocument:xmlns:"
    cell = '<table:table-cell office:value-type="{kind}" office:value="{value}"><text:p>{shown}</text:p>'
    rows = [
        ("float", "0.18", "18%", ""),
        ("date", "", "30-Nov-2026", ""),
        ("float", "123456789012345678", "1.23456789012346E+017", ""),
        ("float", "7", "hidden", ' table:visibility="filter"'),
        ("float", "919876543210", "9.2E+011", ""),
        ('date" office:date-value="2026-11-05', "", "11/05/26", ""),
        ('date" office:date-value="2026-11-05T10:30:00', "", "Thu Nov  5 10:30:00 2026", ""),
        ('date" table:style-name="ce1" office:date-value="2026-11-05', "", "11/05/26", ""),
    ]
    body = "".join(
        f"<table:table-row{more}><table:table-cell><text:p>{number}</text:p></table:table-cell>"
        f"{cell.format(kind=kind, value=value, shown=shown)}</table:table-cell></table:table-row>"
        for number, (kind, value, shown, more) in zip(NUMBERS, rows, strict=False)
    )
    heading = "".join(f"<table:table-cell><text:p>{name}</text:p></table:table-cell>" for name in ("to", "value"))
    blank = '<table:table-row table:number-rows-repeated="1048000"><table:table-cell/></table:table-row>'
    content = (
        f'<office:document-content xmlns:office="{office}office:1.0" xmlns:table="{office}table:1.0" '
        f'xmlns:text="{office}text:1.0" xmlns:style="{office}style:1.0"><office:automatic-styles>'
        '<style:style style:name="off"><style:table-properties table:display="false"/></style:style>'
        '</office:automatic-styles><office:body><office:spreadsheet><table:table table:name="Old" '
        'table:style-name="off"/><table:table table:name="List">'
        '<table:table-column/><table:table-column table:visibility="collapse" table:number-columns-repeated="1023"/>'
        f"<table:table-row>{heading}</table:table-row>{body}{blank}</table:table></office:spreadsheet></office:body>"
        "</office:document-content>"
    )
    with zipfile.ZipFile(tmp_path / "a.ods", "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", content)

    checked = check_values(tmp_path / "a.ods")

    assert checked.values == ["18%", "30-Nov-2026", "919876543210", "2026-11-05", "2026-11-05 10:30:00", "11/05/26"]
    assert [reason.partition(",")[0] for reason in checked.refused] == ["value is a number of more than 15 digits"]
    assert checked.source == "a.ods, sheet List"
    assert checked.warnings[1].startswith("a.ods: 1 hidden row is left out (row 5)")
    assert checked.warnings[2].startswith("a.ods: the column value will be used, although hidden")
