import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.registry.merge import Merge, MergedRow
from producers.registry.portal import PortalRow
from times_dispatch.settings.tables.senders import SenderSettings
from times_dispatch.settings.tables.templates import TemplateSettings

ENTITY = "1234567890123456789"
SENDERS = {
    "TIMESM": SenderSettings(category="service", entity_id=ENTITY),
    "TIMOTP": SenderSettings(category="transactional"),
    "567890": SenderSettings(category="promotional"),
}


def content_id(number: int) -> str:
    return f"11071617865344{number:05}"


def row(number: int = 1, /, **changes: object) -> PortalRow:
    """Return a good row with some changes."""
    fields = {
        "line": number + 1,
        "content_id": content_id(number),
        "name": f"Order {number}",
        "text": "Hello {#var#}",
        "headers": ("TIMESM",),
        "category": "service",
        "entity_id": "",
        "status": "Approved",
        "approved": True,
    }
    return PortalRow(**(fields | changes))  # type: ignore[arg-type]


def template(number: int = 1, **changes: object) -> TemplateSettings:
    fields = {"sender": "TIMESM", "content_id": content_id(number), "text": "Hello {#var#}", "category": "service"}
    return TemplateSettings.model_validate(fields | changes)


def merged(
    *rows: PortalRow,
    registry: dict[str, TemplateSettings] | None = None,
    elsewhere: dict[str, TemplateSettings] | None = None,
    sender: str = "",
) -> Merge:
    merge = Merge(registry or {}, elsewhere=elsewhere or {}, senders=SENDERS, default_sender=sender)
    merge.add(rows)
    return merge


def test_a_new_template_gets_the_name_that_the_portal_gave_it() -> None:
    merge = merged(row(1, name="Order shipped! (v2)"), row(2, name="आदेश"))

    assert merge.added == [MergedRow(2, "Order-shipped-v2"), MergedRow(3, "template")]
    assert merge.templates["Order-shipped-v2"] == template(1, sender="", senders=["TIMESM"])


def test_a_name_that_is_taken_gets_the_end_of_the_content_id() -> None:
    merge = merged(row(1, name="A"), row(2, name="A"), elsewhere={"B": template(9)})

    assert list(merge.templates) == ["A", "A-0002"]
    assert list(merged(row(1, name="B"), elsewhere={"B": template(9)}).templates) == ["B-0001"]


def test_an_equal_template_is_unchanged() -> None:
    merge = merged(row(), registry={"bill": template()})

    assert (merge.unchanged, merge.templates) == (
        [MergedRow(2, "bill")],
        {"bill": template(sender="", senders=["TIMESM"])},
    )
    assert merge.added + merge.changed + merge.removed + merge.refused == []


def test_a_change_keeps_the_name_and_what_the_portal_does_not_know() -> None:
    before = template(max_value_length=40, links=["times.in"], callback_numbers=["139"])

    merge = merged(row(text="Hi {#var#}", headers=("TIMESM", "TIMOTP")), registry={"bill": before})

    assert merge.changed == [MergedRow(2, "bill", "another text and senders")]
    after = merge.templates["bill"]
    assert (after.text, after.headers) == ("Hi {#var#}", ("TIMESM", "TIMOTP"))
    assert (after.max_value_length, after.links, after.callback_numbers) == (40, ["times.in"], ["139"])


def test_rows_with_one_content_id_become_one_template() -> None:
    merge = merged(row(), row(line=3, headers=("TIMOTP",)), row(line=4, text="other"))

    [name] = merge.templates
    assert merge.templates[name].headers == ("TIMESM", "TIMOTP")
    assert merge.refused == [MergedRow(4, "Order 1", "has the template id of line 2, and another text or status")]


def test_a_template_that_is_no_longer_approved_is_removed() -> None:
    merge = merged(row(approved=False, status="Blacklisted"), registry={"bill": template(), "other": template(2)})

    assert merge.removed == [MergedRow(2, "bill", "its status is Blacklisted")]
    assert list(merge.templates) == ["other"]


def test_a_template_in_dispatch_toml_is_not_written_to_the_registry() -> None:
    assert merged(row(), elsewhere={"bill": template()}).unchanged == [MergedRow(2, "bill")]
    [refused] = merged(row(text="Hi"), elsewhere={"bill": template()}).refused
    assert refused.reason == "is bill in dispatch.toml, with another text: correct or remove it there"


def test_unknown_headers_are_left_out_if_one_is_known() -> None:
    [item] = merged(row(headers=("ABCDEF", "TIMESM"))).templates.values()

    assert item.headers == ("TIMESM",)


def test_rows_without_headers_belong_to_the_default_sender() -> None:
    assert merged(row(headers=()), sender="TIMOTP").templates["Order-1"].headers == ("TIMOTP",)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"approved": False, "status": "Pending"}, "its status is Pending: only approved templates can be used"),
        ({"approved": False, "status": ""}, "its status is empty: only approved templates can be used"),
        ({"headers": ()}, "names no header; name its sender with --sender HEADER"),
        ({"headers": ("TIMESN",)}, "header TIMESN: there is no such sender in the settings; did you mean TIMESM?"),
        (
            {"headers": ("TIMESM-S",)},
            "header TIMESM-S: operators add the prefix and the suffix themselves; write TIMESM",
        ),
        ({"headers": ("567890",)}, "header 567890: a header of digits is promotional, not service"),
        ({"entity_id": "9" * 19}, f"belongs to the entity {'9' * 19}, and sender TIMESM to {ENTITY}"),
        (
            {"content_id": "1.10716E+18"},
            "template id is '1.10716E+18': a spreadsheet made a number of it; format the col",
        ),
        ({"content_id": ""}, "template id must be 4 to 19 digits in quotes, is ''"),
        ({"text": ""}, "text: must not be empty"),
        ({"text": "Hello {#VAR#}"}, "text: unknown slot {#VAR#}; there are {#var#}"),
    ],
)
def test_a_row_that_can_not_be_used_is_refused_with_the_reason(changes: dict[str, object], reason: str) -> None:
    merge = merged(row(**changes))

    [refused] = merge.refused
    assert (refused.line, refused.name) == (2, "Order 1")
    assert refused.reason.startswith(reason)
    assert merge.templates == {}


@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from(["A", "A", "B", ""])), max_size=8))
def test_importing_the_same_download_again_changes_nothing(downloaded: list[tuple[int, str]]) -> None:
    rows = [row(number, name=name, line=line) for line, (number, name) in enumerate(downloaded, 2)]
    first = merged(*rows)

    second = merged(*rows, registry=first.templates)

    assert second.templates == first.templates
    assert len({item.content_id for item in first.templates.values()}) == len(first.templates)
    assert second.added + second.changed + second.removed == []


def test_a_row_whose_category_is_unknown_is_refused() -> None:
    [refused] = merged(row(category=None, unknown_category="Werbung")).refused

    assert refused.reason == (
        "its category 'Werbung' is unknown: write promotional, service, transactional or government, or name another "
        "column with --column category=NAME"
    )


@pytest.mark.parametrize("text", ["Dear ##name##", "Dear {name}", "Dear {{1}} {#var#}"])
def test_a_text_with_a_placeholder_that_nothing_fills_is_refused(text: str) -> None:
    [refused] = merged(row(text=text)).refused

    assert refused.reason.endswith("looks like a placeholder that nothing fills; a slot is written {#var#}")


def test_the_operator_is_taken_from_the_download_and_else_kept() -> None:
    known = merged(row(operator="vi"), registry={"bill": template()})
    unknown = merged(row(), registry={"bill": template(operator="vi")})

    assert known.changed == [MergedRow(2, "bill", "another operator")]
    assert known.templates["bill"].operator == unknown.templates["bill"].operator == "vi"
    assert len(unknown.unchanged) == 1
