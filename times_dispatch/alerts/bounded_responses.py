"""Bounds for what targets of alerts answer: apprise reads each answer to its end, however long it is."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter

MAX_ANSWER_BYTES: Final = 1_000_000
ANSWER_WITHIN_S: Final = 20.0


class _BoundedAdapter(HTTPAdapter):
    """Reads bodies of a bounded length within a bounded time."""

    def build_response(self, request: Any, raw: Any) -> Any:
        response = super().build_response(request, raw)
        stream = raw.stream

        def bounded(*args: Any, **kwargs: Any) -> Iterator[bytes]:
            # A read waits for all its bytes, so only another thread can end an answer that comes byte by byte.
            ending = threading.Timer(ANSWER_WITHIN_S, _end, [raw])
            ending.daemon = True
            ending.start()
            try:
                read = 0
                for piece in stream(*args, **kwargs):
                    read += len(piece)
                    if read > MAX_ANSWER_BYTES:
                        raw.close()
                        raise requests.exceptions.ChunkedEncodingError("the answer has no end")
                    yield piece
            finally:
                ending.cancel()

        raw.stream = bounded
        return response


def _end(raw: Any) -> None:
    with suppress(OSError, ValueError, RuntimeError):  # the answer has ended meanwhile
        raw.shutdown()


def bound_responses() -> None:
    """Let all later sessions of requests, which apprise uses, read bounded answers: in the whole process."""
    requests.sessions.HTTPAdapter = _BoundedAdapter  # type: ignore[attr-defined]  # where each session looks it up
