"""Reads the replies of a sentinel, which are short: a server with longer replies is no sentinel."""

from typing import Any, Final

from redis._parsers import _AsyncRESP3Parser  # the parser in C took a minute to free a reply of a hundred levels
from redis.exceptions import InvalidResponse

_MAX_LINES: Final = 10_000
_MAX_TEXT_BYTES: Final = 65_536


class BoundedParser(_AsyncRESP3Parser):
    """A parser of short replies, with limits for a line, for a text, and for all lines of a connection together."""

    def __init__(self, socket_read_size: int) -> None:
        super().__init__(socket_read_size)  # type: ignore[no-untyped-call]
        self._lines = 0

    async def _readline(self) -> Any:
        """Read a line; raise ``InvalidResponse`` if the server sends too many lines or too long a line."""
        self._lines += 1
        if self._lines > _MAX_LINES:
            raise InvalidResponse("the reply is too long for a sentinel's")
        return await super()._readline()  # asyncio refuses a line of more than some 64 KiB

    async def _read(self, length: int) -> Any:
        """Read a text; raise ``InvalidResponse`` if it is too long."""
        if length > _MAX_TEXT_BYTES:
            raise InvalidResponse("the reply is too long for a sentinel's")
        return await super()._read(length)
