from pathlib import Path

import pytest

from times_dispatch.settings.secrets import Environment, Secret, SecretBytes


def test_a_secret_is_what_it_is_but_does_not_show_it() -> None:
    secret, key = Secret("mellon"), SecretBytes(b"mellon")
    assert secret == "mellon"
    assert key == b"mellon"
    assert "mellon" not in f"{[secret, key]!r} {secret!r}"
    assert repr(Secret()) == "Secret()"


def test_a_file_goes_for_a_variable_without_its_last_line_end(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b" sp aces stay \r\n")
    environment = Environment({"KEY_FILE": str(tmp_path / "key")})
    assert environment.get("KEY", needed="to open the door") == " sp aces stay "
    assert environment.mistakes == []


def test_an_absent_variable_is_a_mistake_only_where_it_is_needed() -> None:
    environment = Environment({"EMPTY": ""})
    assert environment.get("KEY") == environment.get("EMPTY") == ""
    assert environment.mistakes == []
    environment.get("EMPTY", needed="to open the door")
    assert environment.mistakes == ["environment: EMPTY: is not set (to open the door), and neither is EMPTY_FILE"]


def test_a_variable_given_twice_is_a_mistake() -> None:
    environment = Environment({"KEY": "a", "KEY_FILE": "/b"})
    environment.get("KEY")
    assert environment.mistakes == ["environment: KEY: is given twice, also as KEY_FILE"]


@pytest.mark.parametrize(
    ("content", "mistake"),
    [
        (None, "cannot be read: no such file or directory"),
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff", "is not UTF-8"),
    ],
)
def test_a_file_that_holds_no_secret_is_a_mistake(tmp_path: Path, content: bytes | None, mistake: str) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    environment = Environment({"KEY_FILE": str(file)})
    assert environment.get("KEY", needed="to open the door") == ""
    assert environment.mistakes == [f"environment: KEY_FILE: {file} {mistake}"]
