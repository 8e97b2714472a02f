from pathlib import Path

import pytest

from tests.kit.settings import SETTINGS_FILE, Loader, Mistakes

NAMING = SETTINGS_FILE + '\n[registry]\ntemplates = "templates.toml"\n'
REGISTRY = """\
[templates.bill]
sender = "TIMESM"
content_id = "1207161786534401929"
text = "Your bill is {#var#}."
"""


def test_templates_of_the_registry_are_added_to_those_of_the_file(loaded: Loader) -> None:
    Path("templates.toml").write_text(REGISTRY)

    settings = loaded(NAMING)

    assert list(settings.templates) == ["order-shipped", "bill"]
    assert settings.templates["bill"].text == "Your bill is {#var#}."
    assert settings.registry_path == Path("templates.toml")


def test_a_sender_may_be_allowed_a_template_of_the_registry(loaded: Loader) -> None:
    Path("templates.toml").write_text(REGISTRY)

    assert loaded(NAMING.replace('"service"', '"service"\ntemplates = ["bill"]')).senders["TIMESM"].templates == [
        "bill"
    ]


def test_a_missing_registry_file_is_a_mistake(mistakes: Mistakes) -> None:
    assert mistakes(NAMING) == [
        "dispatch.toml:14: registry.templates: there is no file templates.toml; dispatch template import makes it"
    ]


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        (
            "TIMESM",
            "TIMESN",
            "templates.toml:2: templates.bill.sender: there is no sender TIMESN; did you mean TIMESM?",
        ),
        ("1207161786534401929", "12x", "templates.toml:3: templates.bill.content_id: must be 4 to 19 digits in quotes"),
        ("{#var#}", "{#vra#}", "templates.toml:4: templates.bill.text: unknown slot {#vra#}"),
        ("text", "txt", "templates.toml:4: templates.bill.txt: there is no such setting; did you mean text?"),
        ("[templates.bill]", "[template.bill]", "templates.toml:1: template: there is no such setting"),
        ("bill]", "order-shipped]", "templates.toml:1: templates.order-shipped: is in dispatch.toml as well; rename"),
        ('"Your', "Your", "templates.toml:4: is not TOML"),
    ],
)
def test_a_mistake_in_the_registry_names_its_line(mistakes: Mistakes, old: str, new: str, mistake: str) -> None:
    Path("templates.toml").write_text(REGISTRY.replace(old, new, 1))

    assert any(line.startswith(mistake) for line in mistakes(NAMING)), mistakes(NAMING)


def test_mistakes_of_both_files_are_reported_together(mistakes: Mistakes) -> None:
    Path("templates.toml").write_text(REGISTRY.replace("TIMESM", "TIMESN"))

    lines = mistakes(NAMING.replace('"service"', '"sevice"'))

    assert [line.partition(":")[0] for line in lines] == ["dispatch.toml", "templates.toml"]


def test_an_odd_content_id_of_the_registry_is_a_warning(loaded: Loader) -> None:
    Path("templates.toml").write_text(REGISTRY.replace("1207161786534401929", "12071617"))

    assert loaded(NAMING).warnings == (
        "templates.toml:3: templates.bill.content_id: has 8 digits, every known one has 19",
    )


def test_an_old_name_in_the_registry_is_read_with_a_warning(loaded: Loader) -> None:
    Path("templates.toml").write_text(REGISTRY + "longest_value = 40\n")

    settings = loaded(NAMING)

    assert settings.templates["bill"].max_value_length == 40
    assert settings.warnings == (
        "templates.toml:5: templates.bill.longest_value: is an old name; write max_value_length",
    )


def test_both_names_of_a_setting_in_the_registry_are_a_mistake(mistakes: Mistakes) -> None:
    Path("templates.toml").write_text(REGISTRY + "longest_value = 40\nmax_value_length = 40\n")

    assert mistakes(NAMING) == [
        "templates.toml:5: templates.bill.longest_value: is the old name of max_value_length, which is given as well"
    ]
