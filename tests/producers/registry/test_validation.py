import pytest

from producers.registry.validation import template_problems
from tests.kit.producers import SETTINGS, WriteFile, load_settings

CONTENT_ID = "1107161786534401928"


def problems(write: WriteFile, text: str, *, content_id: str = CONTENT_ID, sender: str = "") -> list[str]:
    """Return the problems of a template of TIMESM; *sender* adds lines to the sender's table."""
    table = f'[templates.new]\nsender = "TIMESM"\ncontent_id = "{content_id}"\ntext = "{text}"\n'
    settings = SETTINGS.replace("rate_per_s = 500", f"rate_per_s = 500\n{sender}") + table
    return template_problems("new", load_settings(write("dispatch.toml", settings)))


def test_a_good_template_has_no_problem(write: WriteFile) -> None:
    assert problems(write, "Dear {#var#}, thank you.") == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "See evil.in {#var#}",
            "from TIMESM it links to evil.in, which is not whitelisted (TRAI direction of 2024-08-20)",
        ),
        (
            "Call 1800 123 4567",
            (
                "from TIMESM it contains 1800 123 4567, and the settings have no callback_numbers to compare the "
                "number with (TRAI direction of 2024-08-20)"
            ),
        ),
        (
            "Pay at {#url#}",
            (
                "from TIMESM it has a slot for links, and no links are whitelisted: no value will fit "
                "(TRAI direction of 2024-08-20)"
            ),
        ),
        (
            "Call {#cbn#}",
            (
                "from TIMESM it has a slot for callback numbers, and none are whitelisted: no value will fit "
                "(TRAI direction of 2024-08-20)"
            ),
        ),
        ("Thank you ", "its text begins or ends with a blank or a line break: is that how it is registered?"),
        ("{#var#}", "its text is nothing but slots, which is never registered"),
        ("It’s yours", "’ (U+2019 RIGHT SINGLE QUOTATION MARK) makes all its messages UCS-2; ' would not"),
        ("x" * 161, "its text takes 2 parts before any slot is filled"),
    ],
)
def test_each_problem_of_a_template_is_named(write: WriteFile, text: str, problem: str) -> None:
    assert problems(write, text) == [problem]


@pytest.mark.parametrize(
    ("text", "sender"),
    [
        ("See times.in {#var#}", 'links = ["times.in"]'),
        ("Pay at {#url#}", 'links = ["times.in"]'),
        ("Call 1800 123 4567", 'callback_numbers = ["1800 123 4567"]'),
        ("Call {#cbn#}", 'callback_numbers = ["1800 123 4567"]'),
    ],
)
def test_the_whitelists_of_the_sender_count(write: WriteFile, text: str, sender: str) -> None:
    assert problems(write, text, sender=sender) == []


def test_a_short_content_id_is_doubted(write: WriteFile) -> None:
    assert problems(write, "Thanks", content_id="1107") == ["its content id has 4 digits, every known one has 19"]


@pytest.mark.parametrize(("text", "count"), [("‘’“”–", 5), ("‘’“”–—", 0)])
def test_more_than_five_ucs2_characters_are_meant(write: WriteFile, text: str, count: int) -> None:
    assert len(problems(write, text)) == count
