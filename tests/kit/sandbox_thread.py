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

    def __init__(self, url: str) -> None:
        self.url = url

    def books(self) -> dict[str, Any]:
        books: dict[str, Any] = httpx.get(f"{self.url}/sandbox/books", trust_env=False).json()
        return books

    def change(self, **faults: Any) -> None:
        httpx.post(f"{self.url}/sandbox/faults?only=1", json=faults, trust_env=False).raise_for_status()

    def reset(self) -> None:
        self.change()
        httpx.post(f"{self.url}/sandbox/reset", trust_env=False).raise_for_status()


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
        yield SandboxThread(urls.get(timeout=30))
    finally:
        loop.call_soon_threadsafe(serving.cancel)
        thread.join(10)
