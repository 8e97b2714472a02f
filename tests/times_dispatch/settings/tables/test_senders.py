from pathlib import Path

import pytest

from tests.kit.settings import SETTINGS_FILE, VARIABLES, Loader, Mistakes, with_sender
from times_dispatch.settings.errors import SettingsInvalid
from times_dispatch.settings.load import load


@pytest.mark.parametrize(
    ("header", "category", "valid"),
    [
        ("TIMESM", "service", True),
        ("TIMESM", "promotional", True),  # headers of the former category "service explicit" have letters
        ("timesm", "government", True),
        ("567890", "promotional", True),
        ("567890", "service", False),
        ("TIMES", "service", True),
        ("TI", "service", False),
        ("TIMESMS", "service", False),
        ("TIMES1", "service", False),
        ("TIMESM-S", "service", False),
        ("टाइम्स", "service", False),
        ("५६७८९०", "promotional", False),
    ],
)
def test_a_header_is_three_to_six_letters_or_six_digits_and_digits_are_promotional(
    tmp_path: Path, header: str, category: str, valid: bool
) -> None:
    file = tmp_path / "dispatch.toml"
    file.write_text(
        f'[providers.timesmobile]\npreset = "timesmobile-get"\n[senders."{header}"]\ncategory = "{category}"\n',
        encoding="utf-8",
    )
    if valid:
        assert load(file, VARIABLES).senders[header].category == category
    else:
        with pytest.raises(SettingsInvalid, match=r"dispatch\.toml:[34]: senders\."):
            load(file, VARIABLES)


@pytest.mark.parametrize(("digits", "warned"), [(12, True), (18, True), (19, False)])
def test_an_entity_id_below_19_digits_is_taken_with_a_warning(loaded: Loader, digits: int, warned: bool) -> None:
    settings = loaded(SETTINGS_FILE.replace("1201159134572839402", "1" * digits))
    assert settings.warnings == (
        (f"dispatch.toml:6: senders.TIMESM.entity_id: has {digits} digits, every known one has 19",) if warned else ()
    )


@pytest.mark.parametrize("digits", ["1" * 11, "1" * 20, "120115913457283940O", " 1201159134572839402"])
def test_an_entity_id_is_12_to_19_digits(mistakes: Mistakes, digits: str) -> None:
    assert mistakes(SETTINGS_FILE.replace("1201159134572839402", digits)) == [
        f"dispatch.toml:6: senders.TIMESM.entity_id: must be 12 to 19 digits in quotes, is '{digits}'"
    ]


@pytest.mark.parametrize("rate", ["-0.001", "1e-300", "0.0099", "inf", "-inf", "nan", '"5"', "true"])
def test_a_rate_that_cannot_be_used_is_refused(mistakes: Mistakes, rate: str) -> None:
    (only,) = mistakes(SETTINGS_FILE.replace('"service"', f'"service"\nrate_per_s = {rate}'))
    assert only.startswith("dispatch.toml:6: senders.TIMESM.rate_per_s: must be ")


@pytest.mark.parametrize("rate", ["0", "0.0", "0.01", "0.1", "200", "5e3"])
def test_a_rate_may_be_whole_or_not_and_0_is_no_limit(loaded: Loader, rate: str) -> None:
    assert loaded(SETTINGS_FILE.replace('"service"', f'"service"\nrate_per_s = {rate}')).senders[
        "TIMESM"
    ].rate_per_s == float(rate)


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
def test_a_mistake_in_a_sender_names_its_line(mistakes: Mistakes, line: str, reason: str) -> None:
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


def test_a_mistake_under_an_old_name_names_the_old_name(mistakes: Mistakes) -> None:
    assert mistakes(with_sender("most_parts_per_day = -1", 'most_money_per_day = "Rs 5"')) == [
        "dispatch.toml:6: senders.TIMESM.most_parts_per_day: must be at least 0, is -1",
        (
            "dispatch.toml:7: senders.TIMESM.most_money_per_day: needs a price: price_per_part here, or in "
            "[categories.service]"
        ),
    ]
