"""Connections of aiohttp that end when a server sends interim responses without an end, or a response that is too long.

aiohttp parses all received bytes before it handles other connections. A server may send any number of interim responses
(100 Continue, RFC 9110 section 15.2), or a body in chunks of one byte. The relay needs only the status of a response.
"""

from functools import partial
from typing import Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler

MAX_INTERIM: Final = 16
MAX_HEAD_BYTES: Final = 131_072
"""The maximum size of the head of a response, with its interim responses."""
MAX_BODY_BYTES: Final = 16_384
"""The maximum size of the body of a response, with the framing of its chunks; the rest is not read."""
_SLICE_BYTES: Final = 8_192
"""How many bytes are parsed before the interim responses in these bytes are counted."""


class _BoundedHandler(ResponseHandler):
    """Counts the interim responses before each response, and the bytes of the response."""

    _interim_left = MAX_INTERIM
    _bytes_left = MAX_HEAD_BYTES

    def set_response_params(self, **options: Any) -> None:
        self._interim_left, self._bytes_left = MAX_INTERIM, MAX_HEAD_BYTES
        super().set_response_params(**options)

    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data) or 1, _SLICE_BYTES):
            if self._interim_left < 0 or self._bytes_left < 0:
                return
            piece = data[start : start + _SLICE_BYTES]
            super().data_received(piece)
            self._bytes_left -= len(piece)
        if self._bytes_left < 0:
            self._end("a response that is too long")

    def feed_data(self, data: Any, size: int = 0) -> None:
        if 100 <= data[0].code < 200 and data[0].code != 101:  # the classes of HTTP's status codes
            self._interim_left -= 1
        else:
            self._bytes_left = MAX_BODY_BYTES
        if self._interim_left >= 0:
            super().feed_data(data, size)
        else:
            self._end("interim responses without an end")

    def _end(self, reason: str) -> None:
        """Close the connection. A response whose head was read stays readable; otherwise the request fails."""
        if self.transport is not None:
            self.transport.close()
            self.set_exception(aiohttp.ServerDisconnectedError(reason))


class BoundedConnector(aiohttp.TCPConnector):
    """Makes connections whose interim responses and responses are bounded."""

    def __init__(self) -> None:
        super().__init__()
        self._factory: Any = partial(_BoundedHandler, loop=self._loop)  # makes the protocol of each connection
