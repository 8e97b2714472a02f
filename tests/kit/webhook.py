"""An HTTP server that accepts or refuses the posts of apprise."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Webhook:
    """A running server, and the bodies that were posted to it."""

    def __init__(self) -> None:
        self.status = 200
        """The HTTP status of the server's responses."""
        self.hangs = threading.Event()
        """While this event is set, the server answers nothing."""
        self.posted: list[dict[str, Any]] = []
        self.paths: list[str] = []
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                webhook.paths.append(self.path)
                while webhook.hangs.is_set():
                    webhook.ended.wait(0.05)
                if webhook.status == 200:
                    webhook.posted.append(json.loads(body))
                self.send_response(webhook.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.ended = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def url(self, path: str = "a-secret-token") -> str:
        """The URL of the server in the form that apprise needs."""
        return f"json://127.0.0.1:{self._server.server_port}/hook/{path}"

    @property
    def texts(self) -> list[str]:
        """The bodies of the messages."""
        return [str(message["message"]) for message in self.posted]

    def end(self) -> None:
        """Stop the server, and let requests go on that hang."""
        self.hangs.clear()
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def running_webhook() -> Iterator[Webhook]:
    """Run a webhook inside a ``with`` block."""
    webhook = Webhook()
    try:
        yield webhook
    finally:
        webhook.end()
