import pytest

from times_dispatch.settings.values.durations import check_duration, format_duration, parse_seconds


@pytest.mark.parametrize(
    ("text", "duration_s"),
    [
        ("24h", 86_400),
        ("90m", 5_400),
        ("1d12h", 129_600),
        ("1d1h1m", 90_060),
        ("1m", 60),
        ("90s", 90),
        ("1m30s", 90),
        ("1d1h1m1s", 90_061),
        ("1s", 1),
    ],
)
def test_a_duration_is_read_in_seconds(text: str, duration_s: int) -> None:
    assert parse_seconds(text) == duration_s
    assert check_duration(text) == text


@pytest.mark.parametrize(
    "text", ["", "0m", "0h", "24", "h", "12h1d", "1.5h", "-1h", "1h ", "0s", "s", "10s1m", "10 s", "10ms", "1.5s"]
)
def test_a_text_that_is_not_a_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be days, hours, minutes and seconds as in 24h, 90m, 1d12h or 45s, is"):
        parse_seconds(text)


def test_a_duration_of_0_may_be_allowed() -> None:
    assert parse_seconds("0m", min_s=0) == 0
    with pytest.raises(ValueError, match="must be days"):
        parse_seconds("", min_s=0)


@pytest.mark.parametrize(
    ("duration_s", "words"),
    [(0.4, "0 s"), (59, "59 s"), (60, "1m"), (3600, "1h"), (5_400, "1h 30m"), (90_060, "1d 1h"), (172_860, "2d 1m")],
)
def test_a_duration_is_written_with_its_two_largest_units(duration_s: float, words: str) -> None:
    assert format_duration(duration_s) == words
