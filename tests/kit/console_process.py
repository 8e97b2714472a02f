"""The console in a process of its own."""

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from tests.kit.console import SECRET
from tests.kit.process_memory import peak_mb
from tests.kit.producers import SETTINGS
from times_dispatch.demo.processes import Process, clean_environment

_STARTS_WITHIN_S = 120.0


class ConsoleProcess:
    """The console in a process of its own."""

    def __init__(self, folder: Path, redis_url: str, *, port: int, table: str) -> None:
        """Write the settings of a console that is started later.

        Args:
            folder: the working directory of the process.
            redis_url: the URL of the ledger.
            port: the port on 127.0.0.1 on which the console listens.
            table: the TOML lines below ``[console]``.
        """
        self.port = port
        (folder / "dispatch.toml").write_text(f"{SETTINGS}\n[console]\n{table}\n")
        environment = {
            **clean_environment(),
            "PYTHONPATH": ":".join(sys.path),
            "DISPATCH_REDIS_URL": redis_url,
            "DISPATCH_CONSOLE_SECRET": SECRET,
            "DISPATCH_CONSOLE_LISTEN": f"127.0.0.1:{port}",
        }
        self.figures = folder / "console.figures"
        """The file to which ``tests.kit.watched`` writes the longest stall."""
        command = [sys.executable, "-m", "tests.kit.watched", "console.__main__", str(self.figures)]
        self.process = Process("console", command, environment=environment, folder=folder)

    @property
    def peak_mb(self) -> float:
        """The peak memory of the process, in MiB."""
        return peak_mb(self.process.pid)

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self.process.pid

    @property
    def stall_ms(self) -> float:
        """The longest stall since ``figures`` was deleted."""
        return float(self.figures.read_text() or 0) if self.figures.exists() else 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the console inside a ``with`` block."""
        self.process.start()
        try:
            until = time.monotonic() + _STARTS_WITHIN_S
            while not self.is_healthy():
                self.process.check()
                assert time.monotonic() < until
                time.sleep(0.05)
            yield
        finally:
            self.process.stop()

    def is_healthy(self) -> bool:
        """Return whether the console answers its health check."""
        with suppress(httpx.HTTPError):
            return self.get("/health") == 200
        return False

    def get(self, path: str, *, source: str = "127.0.0.1", headers: list[tuple[str, str]] | None = None) -> int:
        """Request a page from the local address *source*, and return the HTTP status."""
        transport = httpx.HTTPTransport(local_address=source)
        with httpx.Client(transport=transport, trust_env=False, timeout=60) as client:
            return client.get(f"http://127.0.0.1:{self.port}{path}", headers=headers).status_code

    def connect(self) -> socket.socket:
        """Return a new connection to the console."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)
