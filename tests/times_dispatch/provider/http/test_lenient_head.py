import pytest
from hypothesis import given
from hypothesis import strategies as st

from times_dispatch.provider.http.lenient_head import HeadInvalid, repair_response

REPAIRED = b"HTTP/1.1 200 OK\r\nX-A: a b\r\nContent-Length: 4\r\n\r\nbody"


@pytest.mark.parametrize(
    "received",
    [
        REPAIRED,
        b"HTTP/1.1 200 OK\nX-A: a\n b\nContent-Length: 4\n\nbody",
        b"\r\nHTTP/1.1  200\tOK\r\nX-A\t: a\r\n\tb\r\nContent-Length : 4, 4\r\n\r\nbody",
        b"HTTP/1.1 103 Early Hints\r\nLink : </a>\r\n\r\n" + REPAIRED,
    ],
)
def test_a_head_is_written_anew(received: bytes) -> None:
    assert repair_response(received) == REPAIRED


def test_an_incomplete_head_needs_more_bytes() -> None:
    end = REPAIRED.index(b"\r\n\r\n") + 3
    assert [repair_response(REPAIRED[:length]) for length in range(end)] == [None] * end


@pytest.mark.parametrize(
    "received", [b"\x15\x03\x01", b"HTTP/2", b"<html>", b"HTTP/1.1 OK\n\n", b"HTTP/1.1 200 OK\nx\n\n"]
)
def test_bytes_that_are_no_head_are_refused(received: bytes) -> None:
    with pytest.raises(HeadInvalid):
        repair_response(received)


@given(st.binary(max_size=80))
def test_any_bytes_are_repaired_or_refused(after: bytes) -> None:
    try:
        repaired = repair_response(b"HTTP/1.1 200 OK\r\n" + after)
    except HeadInvalid:
        return
    assert repaired is None or repair_response(repaired) == repaired
