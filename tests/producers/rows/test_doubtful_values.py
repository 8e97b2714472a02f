from producers.rows.doubtful_values import DoubtfulValueCounter
from times_dispatch.sms.templates import Template


def warnings(text: str, *values: list[str], operator: str = "") -> list[str]:
    counter = DoubtfulValueCounter(Template(text, operator).slots)  # type: ignore[arg-type]
    counter.add(values)
    counter.add(values)
    return list(counter.warnings())


def test_values_that_some_operator_drops_are_counted_over_all_chunks() -> None:
    assert warnings("Pay {#url#}", ["times.in/a", "https://times.in/a", "www.times.in"]) == [
        (
            "2 values of {#url#} may be dropped at vi: there a value must begin with http://, https:// or www. "
            "(a customer of Vi, April 2026)"
        )
    ]
    assert warnings("On {#alp#} at {#num#}", ["27.9.2026", "Asha Rao"], ["5", "6"])[0].startswith(
        "2 values of {#alphanumeric#} may be dropped at airtel, bsnl, jio, stpl: "
    )


def test_nothing_is_doubted_without_reason() -> None:
    assert warnings("Pay {#url#}", ["https://times.in/a"]) == []
    assert warnings("Pay {#url#}", ["times.in/a"], operator="jio") == []
    assert warnings("Pay {#var#}", ["times.in/a"]) == []
