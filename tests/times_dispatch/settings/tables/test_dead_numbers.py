import pytest
from pydantic import ValidationError

from times_dispatch.settings.tables.dead_numbers import DeadNumberSettings


def test_by_default_three_codes_make_a_number_dead_for_half_a_year() -> None:
    assert DeadNumberSettings().rule == (frozenset({905, 910, 2054}), 180)


def test_without_codes_no_number_is_dead() -> None:
    assert DeadNumberSettings(codes=[]).rule == (frozenset(), 0)


@pytest.mark.parametrize("wrong", [{"keep": "23h"}, {"keep": "x"}, {"codes": ["91O"]}, {"codes": ["123456"]}])
def test_a_wrong_value_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DeadNumberSettings.model_validate(wrong)
    assert DeadNumberSettings(keep="24h").rule.keep_days == 1
