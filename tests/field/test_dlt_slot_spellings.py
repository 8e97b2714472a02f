"""Wrong spellings of slots, used by portals and people, are refused with the right spelling."""

from pathlib import Path

import pytest

from producers.registry.merge import Merge
from producers.registry.portal import PortalDownload
from times_dispatch.settings.tables.senders import SenderSettings
from times_dispatch.settings.tables.templates import TemplateSettings
from times_dispatch.sms.placeholders import unfilled


@pytest.mark.parametrize(
    ("written", "right"),
    [
        ("{#VAR#}", "{#var#}"),
        ("{#Var#}", "{#var#}"),
        ("{# var #}", "{#var#}"),
        ("{#var #}", "{#var#}"),
        ("{#var1#}", "{#var#}"),
        ("{#var_2#}", "{#var#}"),
        ("{##var##}", "{#var#}"),
        ("{#var}", "{#var#}"),
        ("{＃var＃}", "{#var#}"),
        ("｛#var#｝", "{#var#}"),
        ("｛＃num＃｝", "{#num#}"),
        ("{var#}", "{#var#}"),
        ("[#var#]", "{#var#}"),
        ("##var##", "{#var#}"),
        ("#numeric#", "{#numeric#}"),
        ("#alphanumeric#", "{#alphanumeric#}"),
        ("{# alp #}", "{#alp#}"),
        ("{#num1#}", "{#num#}"),
        ("{#variable#}", "{#var#}"),
        ("{#otp#}", "{#num#}"),
        ("{#OTP1#}", "{#num#}"),
        ("{#date#}", "{#alp#}"),
        ("{#customerName#}", "{#alp#}"),
        ("{#order id#}", "{#alp#}"),
        ("{#amount#}", "{#num#}"),
        ("{#callback#}", "{#cbn#}"),
        ("{#callback number#}", "{#cbn#}"),
        ("{#Callback_Number#}", "{#cbn#}"),
        ("{#tracking link#}", "{#url#}"),
        ("{#email id#}", "{#email#}"),
    ],
)
def test_the_refusal_names_the_right_spelling(written: str, right: str) -> None:
    with pytest.raises(ValueError, match="slot") as refused:
        TemplateSettings(sender="TIMESM", content_id="1107161786534401928", text=f"Dear {written}, hello. - TIMES")

    assert f"write {right} for {written}" in str(refused.value)


@pytest.mark.parametrize(
    "written",
    [
        "[VAR]",
        "[Name]",
        "[Customer Name]",
        "(var)",
        "$name",
        "@name@",
        "||name||",
        "~name~",
        "*|NAME|*",
        "{!Contact.Name}",
        "｛name｝",
        "＃＃name＃＃",
        "{% name %}",
        "«name»",
        "XXXX",
        "xxxx",
        "XX/XX/XXXX",
        "DD/MM/YYYY",
        "????",
        "____",
    ],
)
def test_a_placeholder_of_another_system_is_refused_with_the_right_spelling(tmp_path: Path, written: str) -> None:
    path = tmp_path / "a.csv"
    heading = "Template ID,Header,Template Type,Template Content,Status"
    path.write_text(
        f'{heading}\n1107161786534401928,TIMESM,Service,"Dear {written}, it is. - TIMES",Active\n', encoding="utf-8"
    )
    merge = Merge({}, elsewhere={}, senders={"TIMESM": SenderSettings(category="service")})

    merge.add(PortalDownload(path).rows())

    [refused] = merge.refused
    assert refused.reason == (
        f"text: {written} looks like a placeholder that nothing fills; a slot is written {{#var#}}"
    )


@pytest.mark.parametrize(
    "text",
    [
        "A/c XXXX1234 is debited",
        "A/c XX1234, card xxxx5678",
        "A/c *XXXX1234 or ****1234",
        "A/c no. XXXX-XXXX-1234",
        "card 4111 XXXX XXXX 1234",
        "A/c XXXX\0 or XXXX \0 is debited",
        "Call 1800-XXX-XXXX",
        "see https://times.in/XXXX",
        "[TIMES] hello",
        "really??? Yes!!!",
        "US$ 5 or $5 or $USD",
        "care@times.in or asha@okaxis",
        "Home|About|Help",
        "One time password (OTP)",
        "size XXL",
    ],
)
def test_masks_brands_and_addresses_are_no_placeholders(text: str) -> None:
    assert unfilled(text) == []
