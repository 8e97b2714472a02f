import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.rows.parts import PartsCounter, may_be_too_long, too_long
from times_dispatch.sms.encoding import measure
from times_dispatch.sms.templates import Template

literals = st.text("abc €{é`आ😀", max_size=8)
values = (
    st.text("abc^€é`आ😀", max_size=40)
    | st.text("a", min_size=60, max_size=160)
    | st.sampled_from(["a", "आशा", "Renée", "आ" * 60, "[a]", "आ[a]", "😀"])
)


@given(st.lists(literals, min_size=3, max_size=3), st.lists(st.tuples(values, values), max_size=6))
def test_counted_parts_agree_with_measuring_each_text(literals: list[str], rows: list[tuple[str, str]]) -> None:
    template = Template("a" + "{#var#}".join(literals))
    check_parts(template, rows)


@given(st.sampled_from(["Dear {#var#}, pay {#var#}", "प्रिय {#var#}, {#var#}"]), st.lists(st.tuples(values, values)))
def test_counted_parts_agree_with_measuring_where_the_template_is_plain(text: str, rows: list[tuple[str, str]]) -> None:
    check_parts(Template(text), rows)


def check_parts(template: Template, rows: list[tuple[str, str]]) -> None:
    counter = PartsCounter(template)
    expected = [measure(template.render(row)) for row in rows]

    parts = counter.parts([[row[slot] for row in rows] for slot in range(2)], len(rows))

    assert parts == [each.parts for each in expected]
    assert counter.gsm_messages == sum(not each.unicode for each in expected)
    assert counter.gsm_parts == sum(each.parts for each in expected if not each.unicode)
    assert counter.ucs2_messages == sum(each.unicode for each in expected)
    assert counter.ucs2_parts == sum(each.parts for each in expected if each.unicode)


@pytest.mark.parametrize(("letter", "one", "several"), [("a", 160, 153), ("आ", 70, 67)])
def test_parts_change_just_over_the_limits(letter: str, one: int, several: int) -> None:
    counter = PartsCounter(Template(letter + "{#var#}"))
    lengths = [one - 1, one, one + 1, 2 * several, 2 * several + 1]

    assert counter.parts([[letter * (length - 1) for length in lengths]], 5) == [1, 1, 2, 2, 3]


def test_a_template_without_slots_has_the_same_parts_for_all() -> None:
    euro = PartsCounter(Template("€" * 81))  # 162 septets

    assert euro.parts([], 3) == [2, 2, 2]
    assert (euro.gsm_messages, euro.gsm_parts) == (3, 6)
    assert PartsCounter(Template("Hello")).parts([], 2) == [1, 1]


@pytest.mark.parametrize(("length", "may_be"), [(8415 - 30, False), (8415 - 29, True)])
def test_a_text_may_be_too_long_only_above_a_length_that_always_fits(length: int, may_be: bool) -> None:
    template = Template("आ" * length + "{#var#}")

    assert may_be_too_long(template, 30) is may_be
    assert list(too_long(template, [["😀" * 30]], 1)) == []
