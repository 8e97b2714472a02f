import pytest

from tests.kit.settings import SETTINGS_FILE, Loader, Mistakes, with_sender
from times_dispatch.settings.prices import max_parts_per_day, price
from times_dispatch.settings.sender_window import send_window
from times_dispatch.sms.rules.send_window import SendWindow


def test_settings_that_are_not_given_have_defaults(loaded: Loader) -> None:
    settings = loaded()
    sender, template = settings.senders["TIMESM"], settings.templates["order-shipped"]

    assert (sender.max_per_number, sender.frequency_period_s, sender.repeat_after_s) == (0, 0, 1800)
    assert (sender.templates, sender.links, sender.callback_numbers) == ([], [], [])
    assert max_parts_per_day("TIMESM", settings) == 0
    assert price(sender, "service", settings.categories) is None
    assert (template.category, template.links, template.max_value_length) == (None, [], 30)
    assert send_window(sender, "service", settings.categories).is_always_open
    assert send_window(sender, "promotional", settings.categories) == SendWindow(600, 1260, "Asia/Kolkata")
    assert settings.optouts.stop_words[:2] == ["STOP", "UNSUBSCRIBE"]
    assert settings.registry_path is None


def test_every_setting_of_a_sender_can_be_given(loaded: Loader) -> None:
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
    assert (sender.max_per_number, sender.frequency_period_s, sender.repeat_after_s) == (3, 86_400, 0)
    assert send_window(sender, "promotional", settings.categories) == SendWindow(570, 1200, "Asia/Kolkata")
    assert send_window(sender, "service", settings.categories) == SendWindow(540, 1200, "Asia/Kolkata")
    assert max_parts_per_day("TIMESM", settings) == 833
    assert settings.templates["order-shipped"].category == "promotional"


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ('[categories.promo]\nwindow = "09:00-21:00"', "13: categories.promo: must be transactional, service"),
        ('[categories.service]\nwindow = "9-21"', "14: categories.service.window: must be two times as in 10:00-21:00"),
        ('[categories.service]\nzone = "Mars/Base"', "14: categories.service.zone: there is no zone 'Mars/Base'"),
        ('[optouts]\nstop_words = [""]', "14: optouts.stop_words.0: must not be empty"),
        (
            '[optouts]\nstop_words = ["STOP", "?! -"]',
            "14: optouts.stop_words.1: contains no word, is '?! -'; write what a reply must begin with, as in STOP",
        ),
    ],
)
def test_a_mistake_in_another_table_names_its_line(mistakes: Mistakes, table: str, reason: str) -> None:
    [mistake] = mistakes(f"{SETTINGS_FILE}\n{table}\n")

    assert mistake.startswith(f"dispatch.toml:{reason}")
