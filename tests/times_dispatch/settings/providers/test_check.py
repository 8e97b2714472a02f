from pathlib import Path

import pytest

from times_dispatch.settings.errors import SettingsInvalid
from times_dispatch.settings.providers.check import check_providers

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


def test_every_provider_is_checked_whatever_other_mistakes_the_file_has(tmp_path: Path) -> None:
    file = tmp_path / "dispatch.toml"
    file.write_text(FILE)
    fine, broken, nine, odd = check_providers(file, VARIABLES)

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
    assert len(check_providers(file, {})[0].problems) == 2


def test_a_file_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="there is no such file"):
        check_providers(tmp_path / "none.toml", {})


def problems_of(tmp_path: Path, text: str, nickname: str = "x", **variables: str) -> list[str]:
    file = tmp_path / "dispatch.toml"
    file.write_text(text)
    [checked] = [item for item in check_providers(file, variables) if item.nickname == nickname]
    return [line.removeprefix(f"{file}:").partition("providers.")[2] or line for line in checked.problems]


def test_a_wrong_setting_hides_no_other_mistake(tmp_path: Path) -> None:
    text = """\
[providers.x]
method = "PUT"
endpoint = "https://sms.example/a#b"
encoding = "form"
auth = "oauth2"
max_connections = 0
payload = { text = "$$Body" }
headers = { "X Key" = "v" }
colour = "red"
[providers.x.oauth2]
token_url = "ftp://sms.example/"
[providers.x.answers]
code = 5
rejected = ["E_NUMBER"]
"""
    problems = problems_of(tmp_path, text, DISPATCH_PROVIDER_X_CLIENT_ID="i")

    assert [problem.partition(": ")[0] for problem in problems] == [
        "x.method",
        "x.oauth2.token_url",
        "x.answers.code",
        "x.max_connections",
        "x.colour",
        "x.answers",
        "x",
        "x",
        "x",
        "environment",
    ]
    assert [problem for problem in problems if "endpoint must hold neither #" in problem]
    assert [problem for problem in problems if "header 'X Key'" in problem]
    assert [problem for problem in problems if "the payload needs $$To" in problem]


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        (
            'preset = "nonsense"\nauth = "none"\npayload = { text = "$$Body" }',
            ["x.preset", "x: the payload needs $$To"],
        ),
        ('preset = "timesmobile-post"\nauth = "oauth"\noauth2.token_url = "https://a.example/"', ["x.auth"]),
        ('preset = "timesmobile-post"\nauth = "oauth2"\noauth2 = 5', ["x.oauth2"]),
        ('preset = "timesmobile-post"\nauth = "oauth2"\nproxy = "x"', ["x.proxy", "x: auth ="]),
        ('method = "POST"\nmax_connections = 0', ["x.max_connections", "x: needs encoding", "x: endpoint must be"]),
        ('preset = "timesmobile-post"\nsecrets = ["a-b", "c d"]', ["x.secrets.0", "x.secrets.1"]),
        ('preset = "timesmobile-post"\nendpoint = "https://a.example/\\u0000"', ["x.endpoint"]),
        (
            'method = "POST"\nencoding = "xml"\npayload = ["a"]',
            ["x.encoding", "x.payload", "x: needs answers", "x: endpoint must be"],
        ),
        ('preset = "timesmobile-post"\npayload = 5\ncustom = { route = "4" }', ["x.payload"]),
    ],
)
def test_each_mistake_is_reported_once(tmp_path: Path, lines: str, wrong: list[str]) -> None:
    problems = [
        problem for problem in problems_of(tmp_path, f"[providers.x]\n{lines}\n") if "environment" not in problem
    ]

    assert [problem[: len(start)] for problem, start in zip(problems, wrong, strict=True)] == wrong


def test_a_wrong_nickname_hides_no_other_mistake(tmp_path: Path) -> None:
    text = '[providers.9]\npreset = "timesmobile-post"\nmax_connections = 0\n'

    first, second, *_ = problems_of(tmp_path, text, "9")

    assert first.startswith("9: a nickname is")
    assert second.startswith("9.max_connections: must be at least 1")


def test_two_default_providers_are_reported(tmp_path: Path) -> None:
    account = 'preset = "timesmobile-post"\ndefault = true\n'
    text = f"[providers.fine]\n{account}[providers.x]\n{account}"

    [problem, *_] = problems_of(tmp_path, text)
    [other, *_] = problems_of(tmp_path, text, "fine")

    assert problem == "x.default: only one provider can be the default, and fine is"
    assert other == "fine.default: only one provider can be the default, and x is"


@pytest.mark.parametrize("value", ["5", '"preset"', "[]", '["preset"]'])
def test_a_provider_that_is_not_a_table_is_reported_as_an_empty_one(tmp_path: Path, value: str) -> None:
    assert problems_of(tmp_path, f"[providers]\nx = {value}\n") == problems_of(tmp_path, "[providers.x]\n")
