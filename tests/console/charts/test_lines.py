from console.charts.lines import spark_line
from console.formats import Formats


def test_a_line_goes_from_the_bottom_to_the_top() -> None:
    line = spark_line([0, 5, 100_000], Formats(), label='TIMESM: "sent"')
    assert 'points="0.0,23.0 60.0,23.0 120.0,1.0"' in line
    assert 'role="img" aria-label="TIMESM: &#34;sent&#34;"' in line
    assert "<title>TIMESM: &#34;sent&#34;</title>" in line
    assert "<desc>3 days; the first 0, the last 1,00,000, the largest 1,00,000</desc>" in line


def test_one_day_is_no_line_and_nothing_sent_is_a_flat_line() -> None:
    assert spark_line([5], Formats(), label="x") == ""
    assert 'points="0.0,23.0 120.0,23.0"' in spark_line([0, 0], Formats(), label="x")
