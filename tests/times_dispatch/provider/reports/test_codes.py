import pytest

from times_dispatch.provider.reports.codes import REPORTED, SCRUBBING, describe


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (900, "anything not listed"),
        (901, "DND"),
        (920, "URL not whitelisted"),
        (600, "DLT: entity"),
        (605, "DLT: entity"),
        (610, "DLT: telemarketer or hash"),
        (619, "DLT: telemarketer or hash"),
        (625, "DLT: header"),
        (630, "DLT: template"),
        (633, "DLT: template not matched"),
        (635, "DLT: variable too long"),
        (637, "DLT: template"),
        (651, "DLT: outside promotional hours"),
    ],
)
def test_a_listed_code_is_described(code: int, meaning: str) -> None:
    assert describe(code) == meaning


@pytest.mark.parametrize("code", [911, 599, 606, 609, 626, 629, 638, 921, 0, 65535])
def test_an_unknown_code_is_named_as_unknown(code: int) -> None:
    assert describe(code) == f"unknown code {code}"


def test_the_reported_codes_are_900_to_920_but_for_911() -> None:
    assert set(REPORTED) == set(range(900, 921)) - {911}


def test_the_two_tables_do_not_overlap() -> None:
    assert not set(REPORTED) & set(SCRUBBING)


def test_a_provider_may_bring_its_own_scrubbing_codes() -> None:
    assert describe(633, {633: "header not found"}) == "header not found"
    assert describe(651, {633: "header not found"}) == "unknown code 651"
