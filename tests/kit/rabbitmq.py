"""A real RabbitMQ on a free port, with its own data folder and node name; it ends with the tests."""

import os
import shutil
import signal
import socket
import tempfile
import time
from pathlib import Path
from types import TracebackType

import pytest

from times_dispatch.demo.local_ports import free_port
from times_dispatch.demo.processes import Process, ProcessFailed, clean_environment

_SCRIPT = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_READY_WITHIN_S = 900.0
"""A limit for a node that never gets ready. A start takes 7 s of CPU time, which are minutes on a busy machine."""
MISSING = "RabbitMQ is not installed: apt-get install --no-install-recommends rabbitmq-server"


class RabbitServer:
    """A RabbitMQ node and the Erlang port mapper (epmd) that the node needs; both are stopped by their process ids."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="times-dispatch-rabbit-"))
        self.port = free_port()
        mapper_port = free_port()
        environment = {
            **clean_environment(),
            "HOME": str(self.folder),
            # The node replaces the script that starts it, so the script's process id is the node's.
            "NOTIFY_SOCKET": str(self.folder / "nobody"),
            "ERL_EPMD_PORT": str(mapper_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_NODENAME": f"dispatch-{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            # One scheduler that does not wait actively takes an eighth less CPU time for a start.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none",
        }
        (self.folder / "plugins").write_text("[].")
        mapper = ["epmd", "-port", str(mapper_port), "-address", "127.0.0.1"]
        self._mapper = Process("epmd", mapper, environment=environment, folder=self.folder)
        self._node = Process("rabbitmq", [str(_SCRIPT)], environment=environment, folder=self.folder)

    @property
    def url(self) -> str:
        """The URL for ``DISPATCH_BROKER_URL``."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def start(self) -> None:
        """Start the node, or restart it with its data, and return when the node accepts connections."""
        if not self._mapper.running:
            self._mapper.start()
        self._node.start()
        until = time.monotonic() + _READY_WITHIN_S
        while not self._answers():
            self._node.check()
            if time.monotonic() > until:
                raise ProcessFailed(f"RabbitMQ was not ready in time:\n{self._node.log_tail()}")
            time.sleep(0.1)

    def kill(self) -> None:
        """Kill the node without a clean shutdown."""
        self._node.kill()

    def freeze(self) -> None:
        """Suspend the node, so that it answers nothing."""
        self._node.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Resume a suspended node."""
        self._node.send(signal.SIGCONT)

    def stop(self) -> None:
        """End the node and the port mapper, and remove the folder."""
        self._node.stop()
        self._mapper.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                return bool(connection.recv(8))
        except OSError:
            return False

    def __enter__(self) -> "RabbitServer":
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def rabbitmq() -> RabbitServer:
    """Return a server that is not started yet. If RabbitMQ is not installed, the test is skipped, and fails in CI."""
    if not _SCRIPT.exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(MISSING)
    return RabbitServer()
