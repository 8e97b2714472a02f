from pathlib import Path

import pytest

from producers.errors import InputInvalid
from producers.registry.portal import PortalDownload, PortalRow, is_approved

ID = "1107161786534401928"


def rows_of(path: Path, text: str) -> list[PortalRow]:
    path.write_text(text, encoding="utf-8")
    return list(PortalDownload(path).rows())


@pytest.mark.parametrize(
    ("heading", "row"),
    [
        (
            "Sr No,Template ID,Template Name,Header,Template Type,Content Category,Template Content,Status",
            f"1,{ID},Order,TIMESM,Service Implicit,Retail,Hello {{#var#}},Approved",
        ),
        (
            "TEMPLATE_ID\tTEMPLATE_NAME\tHEADER\tTEMPLATE_TYPE\tCONTENT_TYPE\tTEMPLATE_CONTENT\tSTATUS",
            f"{ID}\tOrder\tTIMESM\tTEXT\tService-Implicit\tHello {{#var#}}\tACTIVE",
        ),
        (
            "DLT-ID;name;header;communication-type;content;status",
            f"{ID};Order;TIMESM;Service Implicit;Hello {{#var#}};REGISTERED VIA AIRTEL",
        ),
        (
            "dlt template id,Template Name,Sender ID,Category,Template Message,Approval Status",
            f"'{ID},Order,TIMESM,SERVICE_IMPLICIT,Hello {{#var#}},approved",
        ),
        (
            "Template ID,Template Name,Header,Type,Template Content,PE ID",
            f'="{ID}",Order,AD-TIMESM-S,SI,Hello {{#var#}},="1201159134572839402"',
        ),
        (
            "Template ID,Template Name,Header,Type,Template Content",
            f'"=""{ID}""",Order,"=""TIMESM"", VM-TIMESM TIMESM-T",SI,Hello {{#var#}}',
        ),
        ("Template Id,Template Name,Headers,Type,Text", f"{ID},Order,TIMESM,SI,Hello {{#var#}}"),
    ],
)
def test_columns_are_found_by_the_names_that_portals_give_them(tmp_path: Path, heading: str, row: str) -> None:
    [portal_row] = rows_of(tmp_path / "a.csv", f"{heading}\n{row}\n")

    assert (portal_row.line, portal_row.content_id, portal_row.name, portal_row.headers) == (
        2,
        ID,
        "Order",
        ("TIMESM",),
    )
    assert (portal_row.text, portal_row.category, portal_row.approved) == ("Hello {#var#}", "service", True)


def test_an_entity_id_is_read_without_its_spreadsheet_quoting(tmp_path: Path) -> None:
    [row] = rows_of(tmp_path / "a.csv", f'Template ID,PE ID,Content\n{ID},="1201159134572839402",="x"\n')

    assert (row.entity_id, row.text) == ("1201159134572839402", '="x"')


@pytest.mark.parametrize("header", ["ADX-TIMESM-S", "AD-TI-S", "TIMESM-X", "AD-TIMESM-S-S"])
def test_a_header_of_another_form_is_left_as_it_is(tmp_path: Path, header: str) -> None:
    [row] = rows_of(tmp_path / "a.csv", f"Template ID,Header,Content\n{ID},{header},x\n")

    assert row.headers == (header,)


def test_a_text_keeps_every_byte(tmp_path: Path) -> None:
    [row] = rows_of(tmp_path / "a.csv", f'Template ID,Template Content\n{ID}," two\n""lines"" , ₹ "\n')

    assert row.text == ' two\n"lines" , ₹ '
    assert (row.headers, row.category, row.name) == ((), None, "")


def test_several_headers_may_stand_in_one_cell(tmp_path: Path) -> None:
    [row] = rows_of(tmp_path / "a.csv", f'Template ID,Header,Content\n{ID},"TIMESM, TIMOTP|567890",x\n')

    assert row.headers == ("TIMESM", "TIMOTP", "567890")


@pytest.mark.parametrize(
    "status", ["Approved", "APPROVED", "Registered", "REGISTERED VIA AIRTEL", "Active", " approved "]
)
def test_these_statuses_are_approved(status: str) -> None:
    assert is_approved(status)


@pytest.mark.parametrize(
    "status",
    [
        "",
        "Pending",
        "Rejected",
        "Not Approved",
        "Un-Approved",
        "Disapproved",
        "De-registered",
        "De registered",
        "Dis-approved",
        "Approved, discontinued",
        "Inactive",
        "Approval pending",
        "Blacklisted",
    ],
)
def test_these_statuses_are_not_approved(status: str) -> None:
    assert not is_approved(status)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "Template Name,Content\na,b\n",
            "a.csv:1: no column like Template ID; its columns are Template Name, Content; --column id=NAME names it",
        ),
        (
            f"Template ID,Name\n{ID},b\n",
            (
                "a.csv:1: no column like Template Content; its columns are Template ID, Name; "
                "--column content=NAME names it"
            ),
        ),
        ("", "a.csv: is empty; its first line must name the columns, Template ID among them"),
        (f"Template ID,Content\n{ID},b,c\n", "a.csv:2: has 3 cells, the heading has 2"),
    ],
)
def test_a_file_that_is_no_download_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(InputInvalid) as invalid:
        rows_of(tmp_path / "a.csv", text)

    assert str(invalid.value) == f"{tmp_path}/{reason}"


@pytest.mark.parametrize(
    ("heading", "row"),
    [
        ("Template ID (DLT),Header ID,SMS Template", f"{ID},TIMESM,Hello"),
        ("TEID,Linked Headers,Approved Text", f"{ID},TIMESM,Hello"),
        ("Template Code,Sender Name,Message Body", f"{ID},TIMESM,Hello"),
        ("SMS Template ID,CLIs,body", f"{ID},TIMESM,Hello"),
    ],
)
def test_more_names_of_columns_are_known(tmp_path: Path, heading: str, row: str) -> None:
    [portal_row] = rows_of(tmp_path / "a.csv", f"{heading}\n{row}\n")

    assert (portal_row.content_id, portal_row.headers, portal_row.text) == (ID, ("TIMESM",), "Hello")


def test_a_column_can_be_named_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"Template ID,Content,Wording\n{ID},Retail,Hello\n", encoding="utf-8")

    [row] = PortalDownload(path, {"content": "wording"}).rows()

    assert row.text == "Hello"
    with pytest.raises(InputInvalid, match=r"a\.csv:1: no column words; its columns are Template ID, Content, Wording"):
        PortalDownload(path, {"content": "words"})


@pytest.mark.parametrize(
    ("cell", "category", "unknown"),
    [
        ("Promotional (P)", "promotional", ""),
        ("Retail", None, ""),
        ("UNICODE", None, ""),
        ("Transactional/Promotional", None, "Transactional/Promotional"),
        ("Sonstiges", None, "Sonstiges"),
    ],
)
def test_words_that_belong_to_no_category_are_kept_for_the_refusal(
    tmp_path: Path, cell: str, category: str | None, unknown: str
) -> None:
    [row] = rows_of(tmp_path / "a.csv", f"Template ID,Template Type,Content\n{ID},{cell},x\n")

    assert (row.category, row.unknown_category) == (category, unknown)


@pytest.mark.parametrize(
    ("heading", "cell", "operator"),
    [
        ("Status", "REGISTERED VIA AIRTEL", "airtel"),
        ("Operator", "Vodafone Idea", "vi"),
        ("TSP", "SmartPing", "stpl"),
        ("Created By", "Airtel and Jio", ""),
        ("Created By", "Asha", ""),
    ],
)
def test_the_operator_of_a_template_is_read(tmp_path: Path, heading: str, cell: str, operator: str) -> None:
    [row] = rows_of(tmp_path / "a.csv", f"Template ID,{heading},Content\n{ID},{cell},x\n")

    assert row.operator == operator
