"""Bounds for what targets of alerts answer: apprise reads each answer to its end, however long it is."""

import time
from collections.abc import Iterator
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter

MAX_ANSWER_BYTES: Final = 1_000_000
ANSWER_WITHIN_S: Final = 20.0


class _BoundedAdapter(HTTPAdapter):
    """Reads answers of a bounded length within a bounded time."""

    def build_response(self, request: Any, raw: Any) -> Any:
        response = super().build_response(request, raw)
        stream, ends_at = raw.stream, time.monotonic() + ANSWER_WITHIN_S

        def bounded(*args: Any, **kwargs: Any) -> Iterator[bytes]:
            read = 0
            for piece in stream(*args, **kwargs):
                read += len(piece)
                if read > MAX_ANSWER_BYTES or time.monotonic() > ends_at:
                    raw.close()
                    raise requests.exceptions.ChunkedEncodingError("the answer has no end")
                yield piece

        raw.stream = bounded
        return response


def bound_responses() -> None:
    """Let all later sessions of requests, which apprise uses, read bounded answers."""
    requests.sessions.HTTPAdapter = _BoundedAdapter  # type: ignore[attr-defined]  # where each session looks it up
