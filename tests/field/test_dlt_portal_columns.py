"""Columns of downloads are found by the names that portals and panels use."""

from pathlib import Path

import pytest

from producers.errors import InputInvalid
from producers.registry.portal import PortalDownload

ID = "1107161786534401928"


@pytest.mark.parametrize(
    "name", ["Template ID", "TEID", "DLT_TE_ID", "Template Code", "Template ID (DLT)", "Template Reg. ID", "ID"]
)
def test_the_column_of_ids_is_found(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{name},Content\n{ID},Hello\n")

    assert [row.content_id for row in PortalDownload(path).rows()] == [ID]


@pytest.mark.parametrize(
    "name",
    [
        *("Template Content", "Approved Text", "SMS Body", "Message Template", "Text Message", "Template"),
        *("Registered Template", "Content of Template", "SMS Template Text", "DLT Approved Message", "Temp. Content"),
    ],
)
def test_the_column_of_texts_is_found(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"Template ID,{name}\n{ID},Hello\n")

    assert [row.text for row in PortalDownload(path).rows()] == ["Hello"]


@pytest.mark.parametrize(
    "name", ["Header", "Header ID", "Linked Headers", "Sender Name", "CLI", "Approved Header", "SID", "Senders"]
)
def test_the_column_of_headers_is_found(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"Template ID,{name},Content\n{ID},TIMESM,Hello\n")

    assert [row.headers for row in PortalDownload(path).rows()] == [("TIMESM",)]


@pytest.mark.parametrize("name", ["Status", "Final Status", "Approval", "Template Status (DLT)", "Status on Portal"])
def test_the_column_of_the_status_is_found(tmp_path: Path, name: str) -> None:
    """Without the column of the status, rejected templates would be imported."""
    path = tmp_path / "a.csv"
    path.write_text(f"Template ID,{name},Content,Approval Date\n{ID},Rejected,Hello,27-11-2026\n")

    assert [row.approved for row in PortalDownload(path).rows()] == [False]


def test_two_columns_that_may_hold_the_status_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"Template ID,Status at Jio,Status at Vi,Content\n{ID},Approved,Rejected,Hello\n")

    with pytest.raises(
        InputInvalid, match="several columns may hold the status: Status at Jio, Status at Vi; --column"
    ):
        PortalDownload(path)
    [row] = PortalDownload(path, {"status": "Status at Vi"}).rows()
    assert not row.approved


@pytest.mark.parametrize(
    "name",
    [
        *("Template Type", "Type of Communication", "Communication Type", "DLT Type", "Category of Template"),
        "Content Template Type",
    ],
)
def test_the_column_of_categories_is_found(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"Template ID,{name},Content\n{ID},Service Implicit,Hello\n")

    assert [row.category for row in PortalDownload(path).rows()] == ["service"]


def test_any_column_can_be_named_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"No.,X,Y\n1,{ID},Hello\n")

    assert [row.text for row in PortalDownload(path, {"id": "X", "content": "Y"}).rows()] == ["Hello"]
