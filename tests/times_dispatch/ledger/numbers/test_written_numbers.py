import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from times_dispatch.ledger.numbers.written_numbers import written_numbers

_LONG = 100_000


def _numbers(content: bytes) -> set[str]:
    return {written.number for written in written_numbers(content)}


@given(
    st.text("0123456789", min_size=9, max_size=9).map(lambda rest: f"9{rest}"),
    st.lists(
        st.sampled_from([b"", b" ", b"-", b") ", b".", b"%20", b"\\u00a0", b"\xc2\xa0"]), min_size=10, max_size=10
    ),
    st.sampled_from([b"", b"+91 ", b"0", b"91", b"%2B91", b"text: "]),
)
def test_an_indian_number_is_found_however_it_is_divided(national: str, between: list[bytes], before: bytes) -> None:
    written = before + b"".join(digit.encode() + gap for digit, gap in zip(national, between, strict=True))
    assert f"91{national}" in _numbers(written + b" end")


@given(st.binary(max_size=300) | st.text("0123456789+- %2Bu\\", max_size=300).map(str.encode))
def test_every_number_names_digits_that_stand_there(content: bytes) -> None:
    for written in written_numbers(content):
        positions = written.positions()
        digits = bytes(content[position] for position in positions).decode()
        assert positions == sorted(set(positions))
        assert written.number.endswith(digits)


@pytest.mark.parametrize(("size", "gap"), [(65_530, b" "), (65_536, b" "), (65_540, b"%20"), (131_072, b"-")])
def test_a_number_is_found_wherever_the_search_is_divided(size: int, gap: bytes) -> None:
    for before in range(size - 20, size + 20):
        assert "919876543210" in _numbers(b"x" * before + b"987" + gap + b"654" + gap + b"3210"), before


@pytest.mark.parametrize(
    "piece",
    [
        b"9",
        b"0",
        b"9 ",
        b"0 ",
        b"98 ",
        b"%20",
        b"%209",
        b"%2B9",
        b"+9",
        b"9+",
        b"9    ",
        b"00 ",
        b"+1 1 1 1 1 1 1",
        b"\\u0039",
    ],
)
def test_the_work_grows_with_the_length_only(piece: bytes) -> None:
    def seconds(length: int) -> float:
        content = piece * (length // len(piece))
        began = time.process_time()
        for _ in written_numbers(content):
            pass
        return time.process_time() - began

    short, long = (min(seconds(length) for _ in range(2)) for length in (_LONG // 8, _LONG))
    print(f"{piece!r}: {short * 1e9 / (_LONG // 8):.0f} and {long * 1e9 / _LONG:.0f} ns a byte")  # noqa: T201  # the figure
    assert long < 8 * short * 4 + 0.05
