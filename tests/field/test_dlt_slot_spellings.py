"""Spellings of slots that portals and people use, refused with the right spelling."""

import pytest

from times_dispatch.settings.templates import TemplateSettings


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
        ("{var#}", "{#var#}"),
        ("[#var#]", "{#var#}"),
        ("##var##", "{#var#}"),
        ("#numeric#", "{#numeric#}"),
        ("#alphanumeric#", "{#alphanumeric#}"),
        ("{# alp #}", "{#alp#}"),
        ("{#num1#}", "{#num#}"),
        ("{#variable#}", "{#var#}"),
    ],
)
def test_the_refusal_names_the_right_spelling(written: str, right: str) -> None:
    with pytest.raises(ValueError, match="slot") as refused:
        TemplateSettings(sender="TIMESM", content_id="1107161786534401928", text=f"Dear {written}, hello. - TIMES")

    assert f"write {right} for {written}" in str(refused.value)
