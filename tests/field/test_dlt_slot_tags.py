"""Tags of slots in the exports of five operators' portals in 2026, and the long tags of TRAI's direction."""

import pytest

from times_dispatch.sms.templates import SlotKind, Template


@pytest.mark.parametrize(
    ("tag", "kind"),
    [
        ("{#num#}", "numeric"),
        ("{#NUM#}", "numeric"),
        ("{#numeric#}", "numeric"),
        ("{#Numeric#}", "numeric"),
        ("{#number#}", "number"),
        ("{#alp#}", "alphanumeric"),
        ("{#Alp#}", "alphanumeric"),
        ("{#alphanumeric#}", "alphanumeric"),
        ("{#AlphaNumeric#}", "alphanumeric"),
        ("{#urg#}", "url"),
        ("{#URG#}", "url"),
        ("{#url#}", "url"),
        ("{#URL#}", "url"),
        ("{#uro#}", "urlott"),
        ("{#UrlOtt#}", "urlott"),
        ("{#cbn#}", "cbn"),
        ("{#CBN#}", "cbn"),
        ("{#email#}", "email"),
        ("{#var#}", "var"),
    ],
)
def test_a_tag_names_its_type_in_any_case(tag: str, kind: SlotKind) -> None:
    template = Template(f"Dear customer, {tag} it is. - TIMES")

    assert [slot.kind for slot in template.slots] == [kind]
    assert template.text == f"Dear customer, {tag} it is. - TIMES"
