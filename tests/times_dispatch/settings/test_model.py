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


def test_the_settings_of_forwarding_have_defaults_and_can_be_given(loaded: Loader) -> None:
    callbacks = loaded().callbacks
    assert (callbacks.forward_url, callbacks.forward, callbacks.max_forward_age_s) == (
        "",
        ["reports", "clicks"],
        259_200,
    )
    table = '[callbacks]\nforward_url = "https://a.example/x?account=1"\nforward = ["clicks"]\nmax_forward_mb = 1\n'
    callbacks = loaded(f'{SETTINGS_FILE}\n{table}max_forward_events = 1\nmax_forward_age = "90m"').callbacks
    assert (callbacks.forward, callbacks.max_forward_mb, callbacks.max_forward_events) == (["clicks"], 1, 1)
    assert callbacks.max_forward_age_s == 5_400


@pytest.mark.parametrize(
    "line",
    [
        'forward_url = "a.example"',
        'forward_url = "https://me:pw@a.example/"',
        "forward = []",
        'forward = ["opens"]',
        "max_forward_mb = 0",
        "max_forward_events = 0",
        "max_forward_events = 100_000_001",
        'max_forward_age = "0s"',
        'max_forward_age = "soon"',
    ],
)
def test_settings_of_forwarding_outside_their_limits_are_mistakes(mistakes: Mistakes, line: str) -> None:
    found = mistakes(f"{SETTINGS_FILE}\n[callbacks]\n{line}\n")
    assert any(f"callbacks.{line.partition(' ')[0]}" in mistake for mistake in found)
    assert "pw" not in repr(found)
