from pathlib import Path

import pytest

from settings.mistakes import SettingsInvalid
from settings.provider_check import check

FILE = """\
[providers.fine]
preset = "timesmobile-post"
default = true

[providers.broken]
preset = "timesmobile-pst"

[providers.9]
preset = "timesmobile-get"

[providers.odd]
method = "POST"
endpoint = "http://sms.example/API"
encoding = "form"
payload = { to = "$$to", x = "$$To $$Body" }
answers = { code = "c", accepted = [0] }

[senders.wrong]
"""
VARIABLES = {"DISPATCH_PROVIDER_FINE_USERNAME": "u", "DISPATCH_PROVIDER_FINE_PASSWORD": "p"}


def test_every_provider_is_looked_at_whatever_else_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "dispatch.toml"
    file.write_text(FILE)
    fine, broken, nine, odd = check(file, VARIABLES)

    assert (fine.nickname, fine.problems, fine.warnings, fine.notes) == ("fine", [], [], [])
    assert fine.provider is not None
    assert [line.removeprefix(f"{file}:") for line in broken.problems] == [
        "6: providers.broken.preset: must be timesmobile-post or timesmobile-get, is timesmobile-pst",
        *(
            f"environment: DISPATCH_PROVIDER_BROKEN_{name}: is not set (credentials of provider broken), and neither "
            f"is DISPATCH_PROVIDER_BROKEN_{name}_FILE"
            for name in ("USERNAME", "PASSWORD")
        ),
    ]
    assert nine.problems[0].endswith("providers.9: a nickname is a letter, then letters, digits, - or _, at most 32")
    assert odd.problems == []
    assert [warning.partition("providers.odd: ")[2].partition(":")[0] for warning in odd.warnings] == [
        "endpoint is plain http",
        "the payload has no $$MessageID",
        "$$to is taken for a custom key-value; did you mean $$To?",
    ]
    assert odd.notes == [
        "the path /API is sent as it is written: endpoints are case-sensitive",
        "every campaign must give $$to under [custom]",
    ]


def test_missing_credentials_are_a_problem(tmp_path: Path) -> None:
    file = tmp_path / "dispatch.toml"
    file.write_text(FILE)
    assert len(check(file, {})[0].problems) == 2


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="there is no such file"):
        check(tmp_path / "none.toml", {})
