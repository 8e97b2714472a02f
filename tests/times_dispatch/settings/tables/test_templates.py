import pytest

from tests.kit.settings import SETTINGS_FILE, Loader, Mistakes, with_template
from times_dispatch.settings.errors import SettingsInvalid


@pytest.mark.parametrize(("digits", "valid"), [("123", False), ("1234", True), ("1" * 19, True), ("1" * 20, False)])
def test_a_content_id_is_4_to_19_digits(loaded: Loader, digits: str, valid: bool) -> None:
    text = SETTINGS_FILE.replace("1207161786534401928", digits)
    if valid:
        assert loaded(text).templates["order-shipped"].content_id == digits
    else:
        with pytest.raises(SettingsInvalid, match="must be 4 to 19 digits in quotes"):
            loaded(text)


@pytest.mark.parametrize("senders", ["", 'sender = "TIMESM"\nsenders = ["TIMESM"]', "senders = []"])
def test_a_template_names_its_senders_in_one_way(mistakes: Mistakes, senders: str) -> None:
    (only,) = mistakes(SETTINGS_FILE.replace('sender = "TIMESM"', senders))
    assert only == (
        'dispatch.toml:8: templates.order-shipped: needs either sender = "HEADER" or senders = ["HEADER", …]'
    )


def test_an_old_name_in_a_template_is_read_with_a_warning_at_its_line(loaded: Loader) -> None:
    settings = loaded(with_template("longest_value = 40"))

    assert settings.templates["order-shipped"].max_value_length == 40
    assert settings.warnings == (
        "dispatch.toml:12: templates.order-shipped.longest_value: is an old name; write max_value_length",
    )


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('category = "explicit"', "category: must be transactional, service, government or promotional, is explicit"),
        ('links = [""]', "links.0: must be a domain or a link"),
        ("max_value_length = 0", "max_value_length: must be at least 1, is 0"),
    ],
)
def test_a_mistake_in_a_template_names_its_line(mistakes: Mistakes, line: str, reason: str) -> None:
    [mistake] = mistakes(with_template(line))

    assert mistake.startswith(f"dispatch.toml:12: templates.order-shipped.{reason}")


def test_a_text_that_cannot_be_registered_is_a_mistake_at_its_line(mistakes: Mistakes) -> None:
    [mistake] = mistakes(SETTINGS_FILE.replace("{#var#}", "{#VAR#}"))

    assert mistake.startswith("dispatch.toml:11: templates.order-shipped.text: unknown slot {#VAR#}; there are {#var#}")
