import pytest

from tests.kit.settings import SETTINGS_FILE, Loader, Mistakes


def test_a_sender_whose_window_never_opens_is_a_mistake(mistakes: Mistakes) -> None:
    text = SETTINGS_FILE.replace('"service"', '"promotional"\nwindow = "06:00-10:00"')

    [mistake] = mistakes(text)

    assert mistake.startswith("dispatch.toml:6: senders.TIMESM.window: is never open while promotional messages may be")
    assert mistake.endswith("10:00-21:00 Asia/Kolkata")


def test_a_header_of_digits_cannot_have_a_template_of_another_category(mistakes: Mistakes) -> None:
    text = SETTINGS_FILE.replace("TIMESM", "567890").replace('"service"', '"promotional"') + 'category = "service"\n'

    [mistake] = mistakes(text)

    assert mistake.startswith("dispatch.toml:12: templates.order-shipped.category: 567890 is a header of digits, which")
    assert mistake.endswith("is promotional, not service")


def test_a_sender_cannot_be_allowed_a_template_that_is_not_registered_for_it(mistakes: Mistakes) -> None:
    text = SETTINGS_FILE + '\n[senders.OTHERS]\ncategory = "service"\ntemplates = ["order-shipped"]\n'

    assert mistakes(text) == [
        "dispatch.toml:15: senders.OTHERS.templates.0: order-shipped is not registered for OTHERS, only for TIMESM"
    ]


TWO_PROVIDERS = """\
[providers.one]
preset = "timesmobile-post"
[providers.two]
preset = "timesmobile-get"
{default}
[senders.TIMESM]
category = "service"
"""


CREDENTIALS_OF_TWO = {
    f"DISPATCH_PROVIDER_{name}_{part}": "x" for name in ("ONE", "TWO") for part in ("USERNAME", "PASSWORD")
}


def test_a_sender_without_a_provider_takes_the_default_one(loaded: Loader) -> None:
    settings = loaded(TWO_PROVIDERS.format(default="default = true"), **CREDENTIALS_OF_TWO)
    assert settings.default_provider == settings.senders["TIMESM"].provider == "two"


def test_with_two_providers_a_sender_without_a_provider_needs_a_default(mistakes: Mistakes) -> None:
    assert mistakes(TWO_PROVIDERS.format(default=""), **CREDENTIALS_OF_TWO) == [
        "dispatch.toml:6: senders.TIMESM.provider: is missing, and no provider is marked default = true"
    ]


def test_two_defaults_are_a_mistake(mistakes: Mistakes) -> None:
    text = TWO_PROVIDERS.format(default="default = true").replace('post"', 'post"\ndefault = true')
    assert "dispatch.toml:6: providers.two.default: only one provider can be the default, and one is" in mistakes(
        text, **CREDENTIALS_OF_TWO
    )


@pytest.mark.parametrize(
    ("callbacks", "is_mistake"),
    [
        ('relay_url = "http://127.0.0.1:8085/x"', True),
        ('relay_url = "http://localhost:8085/callbacks/x"', True),
        ('relay_url = "http://127.0.0.1:8086/x"', False),
        ('listen = "0.0.0.0:80"\nrelay_url = "http://[::1]/x"', True),
        ('listen = "10.0.0.5:8085"\nrelay_url = "http://10.0.0.5:8085/x"', True),
        ('listen = "10.0.0.5:8085"\nrelay_url = "http://10.0.0.6:8085/x"', False),
        ('public_url = "https://a.in/sms"\nrelay_url = "https://A.in:443/sms/callbacks/x"', True),
        ('public_url = "https://a.in"\nrelay_url = "https://a.in/reports"', False),
        ('public_url = "https://a.in"\nrelay_url = "https://b.in/callbacks/x"', False),
        ('forward_url = "http://127.0.0.1:8085/x"', True),
        ('forward_url = "http://127.0.0.1:8086/x"', False),
        ('public_url = "https://a.in"\nforward_url = "https://a.in/callbacks/x"', True),
    ],
)
def test_a_relay_to_the_receiver_itself_is_a_mistake(mistakes: Mistakes, callbacks: str, is_mistake: bool) -> None:
    text = SETTINGS_FILE + f"\n[callbacks]\n{callbacks}\n"
    found = [mistake for mistake in mistakes(text) if "posted in an endless loop" in mistake] if is_mistake else []
    assert bool(found) is is_mistake
    name = "forward_url" if "forward_url" in callbacks else "relay_url"
    assert all(f"callbacks.{name}: is the address of the receiver itself" in mistake for mistake in found)
