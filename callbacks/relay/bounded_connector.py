"""Connections of aiohttp that end when a server sends interim responses without an end.

aiohttp reads each interim response (100 Continue, RFC 9110 section 15.2) of a server before it handles other
connections, and a server may send any number of interim responses.
"""

from functools import partial
from typing import Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler

MAX_INTERIM: Final = 16
_SLICE_BYTES: Final = 8_192
"""How many bytes are parsed before the interim responses in these bytes are counted."""


class _BoundedHandler(ResponseHandler):
    """Counts the interim responses before each response."""

    _interim_left = MAX_INTERIM

    def set_response_params(self, **options: Any) -> None:
        self._interim_left = MAX_INTERIM
        super().set_response_params(**options)

    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data) or 1, _SLICE_BYTES):
            if self._interim_left < 0:
                return
            super().data_received(data[start : start + _SLICE_BYTES])

    def feed_data(self, data: Any, size: int = 0) -> None:
        if 100 <= data[0].code < 200 and data[0].code != 101:  # the classes of HTTP's status codes
            self._interim_left -= 1
        if self._interim_left >= 0:
            super().feed_data(data, size)
        elif self.transport is not None:
            self.transport.close()
            self.set_exception(aiohttp.ServerDisconnectedError("interim responses without an end"))


class BoundedConnector(aiohttp.TCPConnector):
    """Makes connections whose interim responses are counted."""

    def __init__(self) -> None:
        super().__init__()
        self._factory: Any = partial(_BoundedHandler, loop=self._loop)  # makes the protocol of each connection
