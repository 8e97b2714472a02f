"""A sandbox in a thread, for tests of commands that talk to a provider."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Queue
from typing import Any

import httpx

from times_dispatch.sandbox import SandboxConfig, serve
from times_dispatch.sandbox.config import GenericConfig

CONFIG = SandboxConfig(
    username="shop",
    password="hush-hush",
    string_answers=0.0,
    generic=GenericConfig(client_id="c-id", client_secret="c-secret"),
)


class SandboxThread:
    """Reads the books of the sandbox and changes its faults over HTTP."""

    def __init__(self, url: str, http: httpx.Client) -> None:
        self.url = url
        self._http = http

    def books(self) -> dict[str, Any]:
        books: dict[str, Any] = self._http.get("/sandbox/books").json()
        return books

    def change(self, **faults: Any) -> None:
        self._http.post("/sandbox/faults?only=1", json=faults).raise_for_status()

    def reset(self) -> None:
        self.change()
        self._http.post("/sandbox/reset").raise_for_status()


@contextmanager
def sandbox_thread() -> Iterator[SandboxThread]:
    """Run a sandbox in a thread of its own."""
    loop = asyncio.new_event_loop()
    urls: Queue[str] = Queue()
    serving = loop.create_task(serve(CONFIG, ready=urls.put))

    def run() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(serving)
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        url = urls.get(timeout=30)
        with httpx.Client(base_url=url, trust_env=False) as http:
            yield SandboxThread(url, http)
    finally:
        loop.call_soon_threadsafe(serving.cancel)
        thread.join(10)
