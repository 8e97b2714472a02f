"""Compressed delivery reports, posted over a real socket."""

import gzip
import zlib
from collections.abc import Callable

import httpx
import pytest
from redis.asyncio import Redis

from callbacks.dead_letters import DeadLetterReason, DeadLetters
from callbacks.request_body import MAX_BODY_BYTES
from tests.kit.callbacks import posted, row, stored
from tests.kit.gzipped import gzipped
from tests.kit.receiver import META, PATH, assert_delivered

BODY = posted("delivered", row(META))


def raw_deflate(body: bytes) -> bytes:
    return zlib.compress(body)[2:-4]


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        ("gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("x-gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", raw_deflate),
        ("deflate, gzip", lambda body: gzipped(zlib.compress(body))),
        ("identity", bytes),
        ("gzip", bytes),
        ("gzip", lambda body: b"\xef\xbb\xbf" + body),
        ("gzip", zlib.compress),
        ("deflate", gzip.compress),
        ("br", bytes),
        ("utf-8", bytes),
        ("8bit", bytes),
        ("binary", bytes),
        ("", gzip.compress),
    ],
)
async def test_a_compressed_report_is_read(
    redis: Redis, http: httpx.AsyncClient, encoding: str, compress: Callable[[bytes], bytes]
) -> None:
    headers = {"content-encoding": encoding} if encoding else {}
    await assert_delivered(redis, await http.post(PATH, content=compress(BODY), headers=headers))
    assert [body.removeprefix(b"\xef\xbb\xbf") for body in await stored(redis)] == [BODY]


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("br", b"\x0b\x02\x80"),
        ("zstd", b"\x28\xb5\x2f\xfd" + BODY),
        ("br", b"[\xff" + BODY),
        ("gzip, br", b"x"),
        ("gzip", b"no gzip"),
        ("gzip", gzipped(BODY)[:-9]),
        ("deflate", b"\x78\x9c\x00"),
    ],
)
async def test_an_encoding_that_cannot_be_read_gets_415_and_the_body_is_kept(
    redis: Redis, http: httpx.AsyncClient, encoding: str, body: bytes
) -> None:
    response = await http.post(PATH, content=body, headers={"content-encoding": encoding})
    assert (response.status_code, response.headers["accept-encoding"]) == (415, "gzip, deflate, identity")
    (kept,) = await DeadLetters(redis).oldest()
    assert (kept.reason, kept.body) == (DeadLetterReason.UNREADABLE, body)


@pytest.mark.parametrize(
    ("size", "status"), [(MAX_BODY_BYTES, 200), (MAX_BODY_BYTES + 1, 413), (100 * MAX_BODY_BYTES, 413)]
)
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_decompressed_body_has_the_bound_of_every_body(
    http: httpx.AsyncClient, encoding: str, size: int, status: int
) -> None:
    compressed = gzipped(BODY.ljust(size), level=1) if encoding == "gzip" else zlib.compress(BODY.ljust(size), 1)
    response = await http.post(PATH, content=compressed, headers={"content-encoding": encoding})
    assert response.status_code == status
