"""Free ports of 127.0.0.1 for servers that are started as processes of their own."""

import secrets
import socket
from typing import Final

_FIRST: Final = 15_000
_PORTS: Final = 17_000
"""The ports end below those that systems give to outgoing connections (32,768 and above with Linux). Such a connection
could take a port between this choice and the start of the server."""
_MAX_TRIES: Final = 1_000


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nothing listens at the moment; raise OSError if none is found."""
    for _ in range(_MAX_TRIES):
        port = _FIRST + secrets.randbelow(_PORTS)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise OSError("no free port of 127.0.0.1 was found")
