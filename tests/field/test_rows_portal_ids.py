"""Ids of templates in workbooks of portals: an id that is stored as a number has lost digits."""

from pathlib import Path

import pytest
from xlsxwriter import Workbook

from producers.registry.merge import Merge
from producers.registry.portal import PortalDownload
from times_dispatch.settings.tables.senders import SenderSettings

ID = "1207161786534401928"
HEADING = ("Template ID", "Template Name", "Header", "Template Type", "Template Content", "Status", "PE ID")


def merged(path: Path) -> Merge:
    merge = Merge({}, elsewhere={}, senders={"TIMESM": SenderSettings(category="service")})
    merge.add(PortalDownload(path).rows())
    return merge


def download(path: Path, content_id: str | float, entity_id: str | float = "") -> Path:
    with Workbook(path) as workbook:
        sheet = workbook.add_worksheet()
        sheet.write_row(0, 0, HEADING)
        row = (
            content_id,
            "bill",
            "TIMESM",
            "Service Implicit",
            "Dear {#var#}, thank you. - TIMES",
            "Approved",
            entity_id,
        )
        sheet.write_row(1, 0, row)
    return path


@pytest.mark.parametrize(
    ("content_id", "entity_id", "column"), [(float(ID), "", "Template ID"), (ID, 1.2071617865344e18, "PE ID")]
)
def test_an_id_that_is_kept_as_a_number_is_refused(
    tmp_path: Path, content_id: str | float, entity_id: str | float, column: str
) -> None:
    merge = merged(download(tmp_path / "a.xlsx", content_id, entity_id))

    assert merge.templates == {}
    [refused] = merge.refused
    assert refused.reason.startswith(f"{column} is a number of more than 15 digits")
    assert "format the column as text" in refused.reason


def test_an_id_in_scientific_notation_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(",".join(HEADING) + "\n1.20716E+18,bill,TIMESM,Service Implicit,Hello {#var#},Approved,\n")

    [refused] = merged(path).refused

    assert refused.reason == "Template ID is in scientific notation, its digits are lost: format the column as text"


@pytest.mark.parametrize("written", [ID, f"'{ID}", f'="{ID}"', f" {ID} ", f"\u200b{ID}"])
def test_an_id_that_is_kept_as_a_text_is_read_without_its_guard(tmp_path: Path, written: str) -> None:
    with Workbook(tmp_path / "a.xlsx") as workbook:
        sheet = workbook.add_worksheet()
        sheet.write_row(0, 0, HEADING)
        row = (written, "bill", "TIMESM", "Service Implicit", "Hello {#var#}. - TIMES", "Approved", "")
        for column, cell in enumerate(row):
            sheet.write_string(1, column, cell)

    [template] = merged(tmp_path / "a.xlsx").templates.values()

    assert template.content_id == ID
