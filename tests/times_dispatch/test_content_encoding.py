import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.gzipped import gzipped
from times_dispatch.content_encoding import BodyDamaged, UnknownEncoding, decompress

BODY = b"state=delivered" * 10


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (BODY, ""),
        (BODY, "identity"),
        (gzipped(BODY), "gzip"),
        (gzipped(BODY), "X-Gzip"),
        (gzipped(BODY), ""),
        (zlib.compress(BODY), "deflate"),
        (zlib.compress(BODY)[2:-4], "deflate"),
        (gzipped(zlib.compress(BODY)), "deflate, gzip"),
        (b"", "gzip"),
        (b'[{"event": 1}]', "gzip"),
    ],
)
def test_a_body_is_returned_without_its_compression(body: bytes, encoding: str) -> None:
    assert decompress(body, encoding, max_bytes=1000) in {BODY, b"", b'[{"event": 1}]'}


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, br", "gzip, gzip, gzip, gzip"])
def test_an_unknown_encoding_is_refused(encoding: str) -> None:
    with pytest.raises(UnknownEncoding):
        decompress(b"x", encoding, max_bytes=1000)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize("body", [b"neither", gzipped(BODY)[:-9], b"\x78\x9c\x00"])
def test_a_damaged_body_is_refused(body: bytes, encoding: str) -> None:
    with pytest.raises(BodyDamaged):
        decompress(body, encoding, max_bytes=1000)


@pytest.mark.parametrize(("size", "returned"), [(99, 99), (100, 100), (101, 101), (50_000_000, 101)])
def test_no_more_than_the_bound_and_one_byte_is_decompressed(size: int, returned: int) -> None:
    assert len(decompress(gzipped(b"x" * size, level=1), "gzip", max_bytes=100)) == returned
    assert len(decompress(zlib.compress(b"x" * size, 1), "deflate", max_bytes=100)) == returned


@given(st.binary(max_size=100), st.sampled_from(["", "gzip", "deflate", "deflate, gzip"]))
def test_any_bytes_are_decompressed_or_refused(body: bytes, encoding: str) -> None:
    with suppress(BodyDamaged, UnknownEncoding):
        assert len(decompress(body, encoding, max_bytes=50)) <= max(51, len(body))
