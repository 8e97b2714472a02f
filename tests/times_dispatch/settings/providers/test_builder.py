from pathlib import Path

import pytest

from tests.kit.settings import SETTINGS_FILE, VARIABLES, Mistakes
from times_dispatch.settings.load import Need, load

TWO_PROVIDERS = """\
[providers.tm-a]
preset = "timesmobile-post"
[providers.tm_a]
preset = "timesmobile-get"
default = true
[senders.TIMESM]
category = "service"
"""


def test_two_nicknames_that_share_their_variables_are_a_mistake(mistakes: Mistakes) -> None:
    variables = {"DISPATCH_PROVIDER_TM_A_USERNAME": "x", "DISPATCH_PROVIDER_TM_A_PASSWORD": "y"}

    assert mistakes(TWO_PROVIDERS, **variables) == [
        "environment: DISPATCH_PROVIDER_TM_A_…: belongs to both tm-a and tm_a; rename one of them"
    ]


def with_ca_file(path: str) -> str:
    return SETTINGS_FILE.replace("[providers.timesmobile]\n", f'[providers.timesmobile]\nca_file = "{path}"\n')


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/nowhere/ca.pem", "cannot be read: no such file or directory"),
        ("/", "cannot be read: is a directory"),
        ("/dev/zero", "is no regular file"),
        (__file__, "holds no certificate, or one that does not fit its key"),
    ],
)
def test_a_process_that_pushes_names_a_ca_file_that_it_cannot_use(mistakes: Mistakes, path: str, reason: str) -> None:
    [mistake] = mistakes(with_ca_file(path))
    where, _, said = mistake.partition(": providers.timesmobile.ca_file: ")
    assert where == f"dispatch.toml:{1 + SETTINGS_FILE[: SETTINGS_FILE.index('preset')].count(chr(10))}"
    assert said == f"{path} {reason}"


def test_a_process_that_pushes_nothing_needs_no_ca_file(tmp_path: Path) -> None:
    (tmp_path / "dispatch.toml").write_text(with_ca_file("/nowhere/ca.pem"))
    settings = load(tmp_path / "dispatch.toml", VARIABLES, need=frozenset({Need.LEDGER}))
    assert settings.providers["timesmobile"].ca_file == "/nowhere/ca.pem"
