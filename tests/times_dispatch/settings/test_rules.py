from collections.abc import Callable

import pytest

from tests.times_dispatch.settings.conftest import FILE, Loader
from times_dispatch.settings.hours import hours
from times_dispatch.settings.prices import max_parts_per_day, price
from times_dispatch.sms.rules.window import Window

Mistakes = Callable[..., list[str]]


def with_sender(*lines: str) -> str:
    """Add lines to the sender."""
    return FILE.replace('category = "service"\n', "\n".join(('category = "service"', *lines)) + "\n")


def with_template(*lines: str) -> str:
    """Add lines to the template, which stands last."""
    return FILE + "\n".join(lines) + "\n"


def test_what_is_not_given_has_defaults(loaded: Loader) -> None:
    settings = loaded()
    sender, template = settings.senders["TIMESM"], settings.templates["order-shipped"]

    assert (sender.max_per_number, sender.per_s, sender.repeat_after_s) == (0, 0, 1800)
    assert (sender.templates, sender.links, sender.callback_numbers) == ([], [], [])
    assert max_parts_per_day("TIMESM", settings) == 0
    assert price(sender, "service", settings.categories) is None
    assert (template.category, template.links, template.max_value_length) == (None, [], 30)
    assert hours(sender, "service", settings.categories).always
    assert hours(sender, "promotional", settings.categories) == Window(600, 1260, "Asia/Kolkata")
    assert settings.optouts.stop_words[:2] == ["STOP", "UNSUBSCRIBE"]
    assert settings.registry_path is None


def test_everything_can_be_given(loaded: Loader) -> None:
    text = with_sender(
        'templates = ["order-shipped"]',
        'links = ["times.example", "https://times.example/app.apk"]',
        'callback_numbers = ["1800 123 4567"]',
        'window = "09:00-20:00"',
        'price_per_part = "12 paise"',
        "max_parts_per_day = 1000",
        'max_money_per_day = "Rs 100"',
        'max_per_number = "3 in 24h"',
        'repeat_after = "0m"',
    ) + ('category = "promotional"\n[categories.promotional]\nwindow = "09:30-21:30"\nprice_per_part = "Rs 0.2"\n')

    settings = loaded(text)

    sender = settings.senders["TIMESM"]
    assert (sender.max_per_number, sender.per_s, sender.repeat_after_s) == (3, 86_400, 0)
    assert hours(sender, "promotional", settings.categories) == Window(570, 1200, "Asia/Kolkata")
    assert hours(sender, "service", settings.categories) == Window(540, 1200, "Asia/Kolkata")
    assert max_parts_per_day("TIMESM", settings) == 833
    assert settings.templates["order-shipped"].category == "promotional"


def test_a_price_may_be_that_of_the_category(loaded: Loader) -> None:
    settings = loaded(with_sender('max_money_per_day = "Rs 10"') + '[categories.service]\nprice_per_part = "Rs 0.2"\n')
    sender = settings.senders["TIMESM"]

    assert str(price(sender, "service", settings.categories)) == "0.2"
    assert price(sender, "promotional", settings.categories) is None
    assert max_parts_per_day("TIMESM", settings) == 50


PROMOTIONAL = """
[templates.sale]
sender = "TIMESM"
content_id = "1207161786534401929"
text = "Our sale begins."
category = "promotional"
"""


@pytest.mark.parametrize(
    ("lines", "most"),
    [
        ((), 20),
        (('price_per_part = "Rs 0.25"',), 40),
        (('templates = ["order-shipped"]',), 50),
    ],
)
def test_money_for_a_day_is_counted_at_the_dearest_price_of_what_may_be_sent(
    loaded: Loader, lines: tuple[str, ...], most: int
) -> None:
    prices = '[categories.service]\nprice_per_part = "Rs 0.2"\n[categories.promotional]\nprice_per_part = "Rs 0.5"\n'

    settings = loaded(with_sender('max_money_per_day = "Rs 10"', *lines) + PROMOTIONAL + prices)

    assert max_parts_per_day("TIMESM", settings) == most


def test_money_for_a_day_needs_a_price_for_each_category_that_may_be_sent(mistakes: Mistakes) -> None:
    priced = '[categories.service]\nprice_per_part = "Rs 0.2"\n'

    [mistake] = mistakes(with_sender('max_money_per_day = "Rs 10"') + PROMOTIONAL + priced)

    assert mistake.startswith(
        "dispatch.toml:6: senders.TIMESM.max_money_per_day: needs a price: price_per_part here, or in "
        "[categories.promotional]"
    )


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('window = "21:00-10:00"', "window: must end after it begins, on the same day, is '21:00-10:00'"),
        ('links = ["times.in", "nonsense"]', "links.1: must be a domain or a link"),
        ('callback_numbers = ["call us"]', "callback_numbers.0: must be a phone number"),
        ("price_per_part = 12", 'price_per_part: must be an amount in quotes, as in "Rs 0.125" or "12.5 paise"'),
        (
            'max_money_per_day = "Rs 5"',
            "max_money_per_day: needs a price: price_per_part here, or in [categories.service]",
        ),
        ('max_per_number = "3"', 'max_per_number: must be a number and a time as in "3 in 24h"'),
        ('max_per_number = "0 in 24h"', 'max_per_number: must be a number and a time as in "3 in 24h"'),
        ('max_per_number = "3 in soon"', "max_per_number: must be days, hours, minutes and seconds"),
        ('max_per_numbr = "3 in 24h"', "max_per_numbr: there is no such setting; did you mean max_per_number?"),
        ('frequency = "3 in 24h"', "frequency: there is no such setting"),
        ('repeat_after = "soon"', "repeat_after: must be days, hours, minutes and seconds"),
        ("max_parts_per_day = -1", "max_parts_per_day: must be at least 0, is -1"),
        ('templates = ["order-shiped"]', "templates.0: there is no template order-shiped; did you mean order-shipped?"),
    ],
)
def test_a_mistake_in_a_sender_is_told_at_its_line(mistakes: Mistakes, line: str, reason: str) -> None:
    [mistake] = mistakes(with_sender(line))

    assert mistake.startswith(f"dispatch.toml:6: senders.TIMESM.{reason}")


@pytest.mark.parametrize(
    ("line", "new_name"),
    [
        ("most_parts_per_day = 7", "max_parts_per_day"),
        ('most_money_per_day = "Rs 5"\nprice_per_part = "Rs 0.25"', "max_money_per_day"),
        ('most_per_number = "3 in 24h"', "max_per_number"),
    ],
)
def test_an_old_name_in_a_sender_is_read_with_a_warning_at_its_line(loaded: Loader, line: str, new_name: str) -> None:
    old_name = line.partition(" ")[0]

    settings = loaded(with_sender(line))

    expected = loaded(with_sender(line.replace(old_name, new_name)))
    assert (settings.senders, expected.warnings) == (expected.senders, ())
    assert settings.warnings == (f"dispatch.toml:6: senders.TIMESM.{old_name}: is an old name; write {new_name}",)


def test_an_old_name_in_a_template_is_read_with_a_warning_at_its_line(loaded: Loader) -> None:
    settings = loaded(with_template("longest_value = 40"))

    assert settings.templates["order-shipped"].max_value_length == 40
    assert settings.warnings == (
        "dispatch.toml:12: templates.order-shipped.longest_value: is an old name; write max_value_length",
    )


@pytest.mark.parametrize(
    ("lines", "old_name", "new_name"),
    [
        (("max_parts_per_day = 7", "most_parts_per_day = 7"), "most_parts_per_day", "max_parts_per_day"),
        (
            ('max_money_per_day = "Rs 5"', 'most_money_per_day = "Rs 6"', 'price_per_part = "Rs 0.25"'),
            "most_money_per_day",
            "max_money_per_day",
        ),
        (('max_per_number = "3 in 24h"', 'most_per_number = "3 in 24h"'), "most_per_number", "max_per_number"),
    ],
)
def test_a_setting_under_both_its_names_is_a_mistake_at_the_line_of_the_old_one(
    mistakes: Mistakes, lines: tuple[str, ...], old_name: str, new_name: str
) -> None:
    assert mistakes(with_sender(*lines)) == [
        f"dispatch.toml:7: senders.TIMESM.{old_name}: is the old name of {new_name}, which is given as well"
    ]


def test_a_mistake_under_an_old_name_is_told_with_the_name_in_the_file(mistakes: Mistakes) -> None:
    assert mistakes(with_sender("most_parts_per_day = -1", 'most_money_per_day = "Rs 5"')) == [
        "dispatch.toml:6: senders.TIMESM.most_parts_per_day: must be at least 0, is -1",
        (
            "dispatch.toml:7: senders.TIMESM.most_money_per_day: needs a price: price_per_part here, or in "
            "[categories.service]"
        ),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('category = "explicit"', "category: must be transactional, service, government or promotional, is explicit"),
        ('links = [""]', "links.0: must be a domain or a link"),
        ("max_value_length = 0", "max_value_length: must be at least 1, is 0"),
    ],
)
def test_a_mistake_in_a_template_is_told_at_its_line(mistakes: Mistakes, line: str, reason: str) -> None:
    [mistake] = mistakes(with_template(line))

    assert mistake.startswith(f"dispatch.toml:12: templates.order-shipped.{reason}")


def test_a_text_that_cannot_be_registered_is_told_at_its_line(mistakes: Mistakes) -> None:
    [mistake] = mistakes(FILE.replace("{#var#}", "{#VAR#}"))

    assert mistake.startswith("dispatch.toml:11: templates.order-shipped.text: unknown slot {#VAR#}; there are {#var#}")


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ('[categories.promo]\nwindow = "09:00-21:00"', "13: categories.promo: must be transactional, service"),
        ('[categories.service]\nwindow = "9-21"', "14: categories.service.window: must be two times as in 10:00-21:00"),
        ('[categories.service]\nzone = "Mars/Base"', "14: categories.service.zone: there is no zone 'Mars/Base'"),
        ('[optouts]\nstop_words = [""]', "14: optouts.stop_words.0: must not be empty"),
        (
            '[optouts]\nstop_words = ["STOP", "?! -"]',
            "14: optouts.stop_words.1: holds no word, is '?! -'; write what a reply must begin with, as in STOP",
        ),
    ],
)
def test_a_mistake_in_another_table_is_told_at_its_line(mistakes: Mistakes, table: str, reason: str) -> None:
    [mistake] = mistakes(f"{FILE}\n{table}\n")

    assert mistake.startswith(f"dispatch.toml:{reason}")


def test_a_sender_that_could_never_send_is_a_mistake(mistakes: Mistakes) -> None:
    text = FILE.replace('"service"', '"promotional"\nwindow = "06:00-10:00"')

    [mistake] = mistakes(text)

    assert mistake.startswith("dispatch.toml:6: senders.TIMESM.window: is never open while promotional messages may be")
    assert mistake.endswith("10:00-21:00 Asia/Kolkata")


def test_digits_and_a_template_of_another_category_contradict_each_other(mistakes: Mistakes) -> None:
    text = FILE.replace("TIMESM", "567890").replace('"service"', '"promotional"') + 'category = "service"\n'

    [mistake] = mistakes(text)

    assert mistake.startswith("dispatch.toml:12: templates.order-shipped.category: 567890 is a header of digits, which")
    assert mistake.endswith("is promotional, and this says service")


def test_a_template_must_be_registered_for_the_sender_that_is_allowed_it(mistakes: Mistakes) -> None:
    text = FILE + '\n[senders.OTHERS]\ncategory = "service"\ntemplates = ["order-shipped"]\n'

    assert mistakes(text) == [
        "dispatch.toml:15: senders.OTHERS.templates.0: order-shipped is not registered for OTHERS, only for TIMESM"
    ]
