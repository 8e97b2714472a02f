"""Requests as they were posted to the receiver, beside the JSON that was read in them.

The streams hold the JSON of each posted body. Reports of another system are relayed as they were posted, so a request
that is not said by its JSON alone (a compressed body, a form, a query, another Content-Type) is kept too.
"""

import asyncio
import json
import re
from base64 import b64decode
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from typing import Final
from urllib.parse import unquote_to_bytes

import msgspec

from times_dispatch.content_encoding import BodyDamaged, UnknownEncoding, decompress

REQUEST: Final = b"r"
"""The field of an entry that holds the request; in ``reports`` the requests of all bodies, each empty if not kept."""
PLAIN_TYPE: Final = "application/json"
"""The Content-Type of a request that is not kept, because its JSON says everything."""

_MAX_QUERY_CHARACTERS: Final = 32 * 1024
_MAX_HEADER_CHARACTERS: Final = 1_000
_MAX_SEARCHED_BYTES: Final = 2 * 1024 * 1024
_BYTES_AT_ONCE: Final = 16_384
"""Requests with more bytes are decompressed in a thread, so that the event loop does not wait."""
_METHODS: Final = frozenset({"GET", "POST", "PUT"})
_QUERY: Final = re.compile(rf"[!-~]{{0,{_MAX_QUERY_CHARACTERS}}}")
_HEADER: Final = re.compile(rf"[\t -~]{{0,{_MAX_HEADER_CHARACTERS}}}")

_BASE64: Final = re.compile(rb"[A-Za-z0-9+/_-]{14,}")
"""The shortest text in base64 that can hold a phone number: ten digits take 14 characters."""
_OF_URLS: Final = bytes.maketrans(b"-_", b"+/")

HideInBodies = Callable[[Sequence[bytes]], Awaitable[list[bytes]]]


class PostedRequest(msgspec.Struct, frozen=True, array_like=True):
    """A request as it was posted, without its path and its other headers."""

    method: str
    query: str = ""
    content_type: str = ""
    """The header Content-Type; empty if the request had none."""
    content_encoding: str = ""
    body: bytes | None = None
    """The posted bytes; None if the JSON that is stored beside the request has these bytes."""

    @property
    def can_be_posted(self) -> bool:
        """Whether method, query and headers are within their bounds, and hold no character that ends a header."""
        return (
            self.method in _METHODS
            and bool(_QUERY.fullmatch(self.query))
            and all(map(_HEADER.fullmatch, (self.content_type, self.content_encoding)))
        )


_DECODER: Final = msgspec.msgpack.Decoder(PostedRequest)
_ARRAY: Final = msgspec.msgpack.Decoder(list[bytes])


def pack_request(request: PostedRequest) -> bytes:
    """Return a request as bytes; empty if it cannot be posted again: the relay then posts the JSON instead."""
    return msgspec.msgpack.encode(request) if request.can_be_posted else b""


def read_request(packed: bytes) -> PostedRequest | None:
    """Return a packed request; None if there is none, or if another program wrote something else."""
    with suppress(msgspec.DecodeError):
        request = _DECODER.decode(packed) if packed else None
        if request and request.can_be_posted:
            return request
    return None


def searchable(packed: bytes) -> bytes:
    """Return the text of a packed request, in which phone numbers can be searched: not compressed, and in UTF-8.

    The text is followed by the text without percent-encoding, and by what its parts in base64 stand for.
    """
    request = read_request(packed)
    if request is None:
        return b""
    body = request.body or b""
    with suppress(BodyDamaged, UnknownEncoding):
        body = decompress(body, request.content_encoding, max_bytes=_MAX_SEARCHED_BYTES)
    encoding = json.detect_encoding(body[:4])
    if not encoding.startswith("utf-8"):
        body = body.decode(encoding, "replace").encode()
    text = request.query.encode() + b"\n" + body
    plain = unquote_to_bytes(text)
    return b"\n".join([text, *([plain] if plain != text else []), *_decoded(plain)])


def _decoded(text: bytes) -> Iterator[bytes]:
    """Yield the bytes that parts of a text in base64 stand for, in the usual alphabet or in that of URLs."""
    for match in _BASE64.finditer(text):
        part = match[0].translate(_OF_URLS)
        whole = part[: len(part) - (len(part) % 4 == 1)]
        yield b64decode(whole + b"=" * (-len(whole) % 4))


def unpack_requests(packed: bytes, count: int) -> list[bytes]:
    """Return the packed requests of *count* bodies of an entry of ``reports``; each is empty if it was not kept."""
    with suppress(msgspec.DecodeError):
        requests = _ARRAY.decode(packed) if packed else []
        if len(requests) == count:
            return requests
    return [b""] * count


async def hide_with_requests(
    bodies: Sequence[bytes], requests: Sequence[bytes], hide: HideInBodies
) -> tuple[list[bytes], list[bytes]]:
    """Return bodies without the numbers that *hide* hides, and the requests that hold no such number.

    The request of a body with such a number becomes empty: it may be compressed, so no digit in it can be changed.
    """
    if sum(map(len, requests)) <= _BYTES_AT_ONCE:
        texts = list(map(searchable, requests))
    else:
        texts = await asyncio.to_thread(lambda: list(map(searchable, requests)))
    hidden = await hide([*bodies, *texts])
    before, kept = [*bodies, *texts], list[bytes]()
    for at, request in enumerate(requests):
        is_same = hidden[at] == before[at] and hidden[len(bodies) + at] == texts[at]
        kept.append(request if is_same else b"")
    return hidden[: len(bodies)], kept
