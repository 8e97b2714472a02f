"""Phone numbers in the forms in which people export them."""

from pathlib import Path

import pytest

from tests.kit.field import check_values


def checked_numbers(tmp_path: Path, *numbers: str, sender: str = "") -> tuple[list[str], list[str], list[str]]:
    path = tmp_path / "a.csv"
    path.write_text("to\tvalue\n" + "".join(f"{number}\tx\n" for number in numbers), encoding="utf-8")
    checked = check_values(path, sender=sender)
    return checked.to, checked.refused, checked.warnings


@pytest.mark.parametrize(
    "cell",
    [
        "tel:9876543210",
        "tel:+91-98765-43210",
        "tel:+919876543210;ext=1",
        "TEL: 98765 43210",
        "p:+919876543210",
        "p:9876543210",
        "whatsapp:+919876543210",
        "whatsapp://919876543210",
        "919876543210@s.whatsapp.net",
        "919876543210@c.us",
        "sms:+919876543210",
        "Mob: 9876543210",
        "Mobile:9876543210",
        "\u200b9876543210",
        "\u202a+91 98765 43210\u202c",
        "98765\u200943210",
        "\ufeff9876543210",
        "９８７６５４３２１０",
        "＋９１９８７６５４３２１０",
        "९८७६५४३२१०",
        "'+919876543210",
        '="9876543210"',
        "=9876543210",
        "9876543210.0",
        "9,876,543,210",
        "00919876543210",
        "0091-9876543210",
        "+91(0)9876543210",
        "98765.43210",
        "(+91) 98765 43210",
        "Mob.9876543210",
        "Mob No. 98765 43210",
        "Ph.No.9876543210",
        "Tel 9876543210",
        "Contact: 9876543210",
        "No. 9876543210",
        "tel:%2B919876543210",
        "sms:9876543210?body=hi",
        "smsto:9876543210",
        "sip:+919876543210@ims.example.in",
        "919876543210:12@s.whatsapp.net",
        "wa.me/919876543210",
        "https://wa.me/919876543210",
        "https://api.whatsapp.com/send?phone=919876543210",
        "\u2019+919876543210",
        "`9876543210",
        "\u201c9876543210\u201d",
        "9876543210;",
        "9876543210,",
        "9876543210.000",
        "TEL;TYPE=CELL:9876543210",
        "TEL;TYPE=CELL,VOICE:+919876543210",
        "Mob-9876543210",
        "M-98765 43210",
        "(M) 9876543210",
        "9876543210 (M)",
        "(O) 9876543210",
        "(R)98765 43210",
        "(W): 9876543210",
        "O - 98765 43210",
        "R- 9876543210",
        "9876543210 (O)",
        "9876543210(Off)",
        "9876543210 (R)",
        "TEL;waid=919876543210:+91 98765 43210",
        "item1.TEL;TYPE=CELL;waid=919876543210:+91 98765 43210",
        "9876543210(Mobile)",
        "Mo. 9876543210",
        "call 9876543210",
        "msisdn:919876543210",
        "Work: 9876543210",
        "मो. 9876543210",
        "मोबाइल: ९८७६५४३२१०",
        "IN +91 9876543210",
        "India (+91) 9876543210",
        "\U0001f1ee\U0001f1f3 +91 98765 43210",
        "\U0001f4f19876543210",
        "\u260e\ufe0f 9876543210",
        "%2B919876543210",
        "9876543210/",
        "<9876543210>",
        "[9876543210]",
        "#9876543210",
        "Ph#9876543210",
        "H: 9876543210",
        "+91 9876543210 (Self)",
        "9876543210-Mobile",
        "98765 43210 mob.",
        "98765 43210 whatsapp",
        "\u061c9876543210",
        "98765\u061c43210",
        "facetime:+919876543210",
        "urn:tel:+919876543210",
        "item1.TEL;TYPE=CELL:9876543210",
        "TEL;TYPE=CELL;PREF=1:9876543210",
        "TEL;TYPE=cell;VALUE=uri:tel:+919876543210",
        "https://web.whatsapp.com/send?phone=919876543210",
        "whatsapp://send?phone=919876543210",
        "Office: 9876543210",
        "Res: 9876543210",
    ],
)
def test_a_number_is_read_as_people_export_it(tmp_path: Path, cell: str) -> None:
    assert checked_numbers(tmp_path, cell) == (["919876543210"], [], [])


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("", "to is empty"),
        ("NULL", "to holds a word for no value"),
        ("#N/A", "to holds #N/A, the error of a lookup that found nothing"),
        ("9.87654E+09", "to is in scientific notation, its digits are lost: format the column as text"),
        ("{mobile}", "to holds a placeholder that nobody filled"),
        ("9876543210/9876543211", "to holds more than one number: give each its own row"),
        ("98765 43210, 98765 43211", "to holds more than one number: give each its own row"),
        ("9876543210@ybl", "to contains characters that no phone number has"),
        ("Asha 9876543210", "to holds other words beside the number: give the number a column of its own"),
        ("9876543210 (Asha)", "to holds other words beside the number: give the number a column of its own"),
        ("9876543210 / 9876543211", "to holds more than one number: give each its own row"),
        ("9876543210 9876543211", "to holds more than one number: give each its own row"),
        ("98765 43210 or 98765 43211", "to holds more than one number: give each its own row"),
        ("98765432109876543211", "to is not a phone number: it has more than fifteen digits"),
        ("9876543210, " * 40, "to holds more than one number: give each its own row"),
        ("9" * 200, "to is longer than any phone number"),
        ("9876543210 ext 5", "to holds an extension, which no mobile number has"),
        ("9876543210x5", "to holds an extension, which no mobile number has"),
        ("91+9876543210", "to has a + within the number: a number begins with it"),
        ("98765_43210", "to contains _, which no phone number does"),
        ("987654321O", "to holds a letter among its digits, as O for zero or l for one"),
        ("98765l3210", "to holds a letter among its digits, as O for zero or l for one"),
        ("98765O3210", "to holds a letter among its digits, as O for zero or l for one"),
        ("98765 o3210", "to holds a letter among its digits, as O for zero or l for one"),
        ("+91 98765O3210", "to holds a letter among its digits, as O for zero or l for one"),
        ("9876S43210", "to holds a letter among its digits, as O for zero or l for one"),
        ("98765432IO", "to holds a letter among its digits, as O for zero or l for one"),
        ("9B76543210", "to holds a letter among its digits, as O for zero or l for one"),
        ("98765О3210", "to holds a letter among its digits, as O for zero or l for one"),
        ("091-98765-4321O", "to holds a letter among its digits, as O for zero or l for one"),
        ("9876543Z1O", "to holds a letter among its digits, as O for zero or l for one"),
        ("98765abc10", "to contains characters that no phone number has"),
        ("SOOOOOOOOO", "to contains characters that no phone number has"),
        ("Ilya", "to contains characters that no phone number has"),
        ("IN 9876543210", "to holds other words beside the number: give the number a column of its own"),
        ("9876543210 (Home 2)", "to holds other words beside the number: give the number a column of its own"),
        ("98XXXXXX10", "to is masked: export the whole number"),
        ("******3210", "to is masked: export the whole number"),
        ("+91 98765xxxxx", "to is masked: export the whole number"),
        ("98765*43210", "to contains *, which no phone number does"),
        ("971501234567", "to is no Indian number; if it is one of another country, write + before it"),
        ("1600123456", "to is not a mobile number"),
        ("+91 1600 123 456", "to is not a mobile number"),
        ("987654321", "to is not an Indian mobile number: ten digits, the first from six to nine"),
    ],
)
def test_a_cell_without_a_number_is_refused_for_the_true_reason(tmp_path: Path, cell: str, reason: str) -> None:
    assert checked_numbers(tmp_path, cell, "9876543210")[:2] == (["919876543210"], [reason])


def test_a_foreign_number_is_refused_and_counted(tmp_path: Path) -> None:
    to, refused, _ = checked_numbers(tmp_path, "+447911123456", "9876543210", "+14155552671")

    assert to == ["919876543210"]
    assert refused == ["to is a number of another country: a header of the DLT reaches India only"] * 2


def test_a_foreign_number_is_sent_to_with_a_warning_if_the_sender_allows_it(tmp_path: Path) -> None:
    numbers = ("+447911123456", "9876543210")

    to, refused, warnings = checked_numbers(tmp_path, *numbers, sender="foreign_numbers = true")

    assert (to, refused) == (["447911123456", "919876543210"], [])
    assert warnings == ["1 number is of other countries: a header of the DLT reaches India only"]


@pytest.mark.parametrize("landline", ["08023456789", "+91 79 2345 6789", "tel:+91-22-23456789"])
def test_a_landline_is_refused_and_counted(tmp_path: Path, landline: str) -> None:
    to, refused, _ = checked_numbers(tmp_path, landline, "9876543210")

    assert (to, refused) == (["919876543210"], ["to is a landline, not a mobile number"])
