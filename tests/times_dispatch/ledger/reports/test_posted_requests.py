import gzip
import os
import threading
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Sequence
from urllib.parse import quote_from_bytes

import msgspec
import pytest

from times_dispatch.ledger.numbers.hidden_numbers import hide_numbers
from times_dispatch.ledger.reports import posted_requests
from times_dispatch.ledger.reports.posted_requests import (
    PostedRequest,
    hide_with_requests,
    pack_request,
    read_request,
    searchable,
    unpack_requests,
)

NUMBER = b"9876543210"


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"\xc1",
        msgspec.msgpack.encode(["POST", 1]),
        msgspec.msgpack.encode(["DELETE", "", "", "", b"x"]),
        msgspec.msgpack.encode(["POST", "a b", "", "", b"x"]),
        msgspec.msgpack.encode(["POST", "", "a\r\nX-Other: 1", "", b"x"]),
        msgspec.msgpack.encode(["POST", "", "\udce9".encode("utf-8", "surrogatepass").decode("latin-1"), "", b"x"]),
    ],
)
def test_bytes_of_other_users_of_redis_are_no_request(packed: bytes) -> None:
    assert read_request(packed) is None
    assert searchable(packed) == b""


def test_a_request_is_read_as_it_was_packed() -> None:
    request = PostedRequest("PUT", "a=1", "text/json", "gzip", b"\x00\xff")
    assert read_request(pack_request(request)) == request


@pytest.mark.parametrize(
    "request_",
    [
        PostedRequest("GET", "to=9876543210"),
        PostedRequest("POST", body=NUMBER),
        PostedRequest("POST", content_encoding="gzip", body=gzip.compress(NUMBER)),
        PostedRequest("POST", body=NUMBER.decode().encode("utf-16")),
    ],
)
def test_numbers_are_found_in_any_part_of_a_request(request_: PostedRequest) -> None:
    assert NUMBER in searchable(pack_request(request_))


@pytest.mark.parametrize(
    "request_",
    [
        PostedRequest("GET", "response=%5B%229876543210%22%5D"),
        PostedRequest("POST", body=b"response=%5B%229876543210%22%5D"),
        PostedRequest("POST", body=b"to=%39%38%37%36543210"),
        PostedRequest("POST", body=b"note=" + b64encode(NUMBER)),
        PostedRequest("POST", body=b'{"note":"' + b64encode(b'{"to":"9876543210"}').rstrip(b"=") + b'"}'),
        PostedRequest("GET", "note=" + urlsafe_b64encode(b"\xff\xfe?>" + NUMBER).decode()),
        PostedRequest("POST", body=b"note=" + quote_from_bytes(b64encode(b'["9876543210"]')).encode()),
    ],
)
async def test_encoded_numbers_are_hidden(request_: PostedRequest) -> None:
    async def hide(bodies: Sequence[bytes]) -> list[bytes]:
        return [hide_numbers(body, lambda number: number == "919876543210") for body in bodies]

    packed = pack_request(request_)
    assert await hide_with_requests([b"[]"], [packed], hide) == ([b"[]"], [b""])


def test_requests_of_an_entry_belong_to_its_bodies_or_are_none() -> None:
    packed = msgspec.msgpack.encode([b"", b"x"])
    assert unpack_requests(packed, 2) == [b"", b"x"]
    assert unpack_requests(packed, 3) == [b"", b"", b""]
    assert unpack_requests(b"", 1) == [b""]
    assert unpack_requests(b"\xc1", 1) == [b""]


async def test_only_the_requests_with_a_hidden_number_are_left_out() -> None:
    async def hide(contents: Sequence[bytes]) -> list[bytes]:
        return [content.replace(NUMBER, b"1000000000") for content in contents]

    form, query = (
        pack_request(PostedRequest("POST", body=gzip.compress(b"to=" + NUMBER))),
        pack_request(PostedRequest("POST", "a=1")),
    )
    bodies, requests = await hide_with_requests([b"1", b"2", NUMBER], [form, query, query], hide)
    assert bodies == [b"1", b"2", b"1000000000"]
    assert requests == [b"", query, b""]


@pytest.mark.parametrize(("size", "is_in_thread"), [(1_000, False), (50_000, True)])
async def test_long_requests_are_decompressed_in_a_thread(
    monkeypatch: pytest.MonkeyPatch, size: int, is_in_thread: bool
) -> None:
    threads = list[threading.Thread]()

    def noted(packed: bytes) -> bytes:
        threads.append(threading.current_thread())
        return searchable(packed)

    async def hide(contents: Sequence[bytes]) -> list[bytes]:
        return list(contents)

    monkeypatch.setattr(posted_requests, "searchable", noted)
    packed = pack_request(PostedRequest("POST", content_encoding="gzip", body=gzip.compress(os.urandom(size))))
    assert await hide_with_requests([b"1"], [packed], hide) == ([b"1"], [packed])
    assert (threads != [threading.current_thread()]) == is_in_thread
