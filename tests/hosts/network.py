"""Hosts in network namespaces behind one switch; the link between any two hosts can be cut.

A namespace exists while a process runs in it, and these processes end with the test, so that no namespace remains.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from times_dispatch.demo.processes import Process, clean_environment

DATA: Final = "data"
"""The host of the test, of Redis, and of the receiver and the reconciler."""
PROVIDER: Final = "provider"
WORKERS: Final = ("worker-1", "worker-2")
_LAST_BYTES: Final = {DATA: 1, PROVIDER: 20, "worker-1": 31, "worker-2": 32}
_SWITCH: Final = "switch"
_TOOLS: Final = ("ip", "bridge", "unshare", "nsenter")


def missing() -> str:
    """Return why this machine does not provide network namespaces; empty if it does."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "network namespaces need root on Linux"
    if lacking := [tool for tool in _TOOLS if not shutil.which(tool)]:
        return f"network namespaces need {', '.join(lacking)} (Debian: iproute2, util-linux)"
    try:
        with Network():
            return ""
    except (OSError, subprocess.SubprocessError):
        return "network namespaces are not permitted here"


class Network:
    """A context manager that makes the hosts and the switch."""

    def __init__(self) -> None:
        number = os.getpid()
        self._subnet = f"10.{100 + number % 100}.{number // 100 % 256}"
        self._name = f"d{number}"
        self._opened = ExitStack()
        self._pids: dict[str, int] = {}
        self._ports = {host: f"{self._name}s{index}" for index, host in enumerate(_LAST_BYTES)}

    def address(self, host: str) -> str:
        """Return the address of a host."""
        return f"{self._subnet}.{_LAST_BYTES[host]}"

    def on(self, host: str, command: Sequence[str]) -> list[str]:
        """Return a command that runs on a host; the process keeps its id."""
        if host == DATA:
            return list(command)
        return ["nsenter", f"--net=/proc/{self._pids[host]}/ns/net", *command]

    def cut(self, one: str, other: str) -> None:
        """Cut the link between two hosts; both hosts still reach all other hosts."""
        for host in (one, other):
            self._run(_SWITCH, "bridge", "link", "set", "dev", self._ports[host], "isolated", "on")

    def cut_off(self, host: str) -> None:
        """Cut all links of a host."""
        self._run(_SWITCH, "ip", "link", "set", self._ports[host], "down")

    def heal(self) -> None:
        """Let all hosts reach each other again."""
        for port in self._ports.values():
            self._run(_SWITCH, "bridge", "link", "set", "dev", port, "isolated", "off")
            self._run(_SWITCH, "ip", "link", "set", port, "up")

    def __enter__(self) -> "Network":
        try:
            self._make()
        except BaseException:
            self._opened.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def _make(self) -> None:
        folder = Path(self._opened.enter_context(TemporaryDirectory(prefix="times-dispatch-hosts-")))
        for host in (_SWITCH, *(host for host in _LAST_BYTES if host != DATA)):
            self._pids[host] = self._namespace(host, folder)
        self._run(_SWITCH, "ip", "link", "add", "switch0", "type", "bridge")
        self._run(_SWITCH, "ip", "link", "set", "switch0", "up")
        for index, host in enumerate(_LAST_BYTES):
            self._plug_in(host, f"{self._name}h{index}")

    def _namespace(self, host: str, folder: Path) -> int:
        command = ["unshare", "--net", "sh", "-c", 'touch "$0.ready"; exec sleep infinity', str(folder / host)]
        keeper = Process(host, command, environment=clean_environment(), folder=folder)
        self._opened.callback(keeper.kill)
        keeper.start()
        until = time.monotonic() + 10
        while not (folder / f"{host}.ready").exists():
            if not keeper.running or time.monotonic() > until:
                raise OSError(f"no network namespace: {keeper.log_tail()}")
            time.sleep(0.01)
        return keeper.pid

    def _plug_in(self, host: str, end: str) -> None:
        port = self._ports[host]
        self._run(DATA, "ip", "link", "add", end, "type", "veth", "peer", "name", port)
        self._opened.callback(self._unplug, end)
        self._run(DATA, "ip", "link", "set", port, "netns", str(self._pids[_SWITCH]))
        self._run(_SWITCH, "ip", "link", "set", port, "master", "switch0", "up")
        if host != DATA:
            self._run(DATA, "ip", "link", "set", end, "netns", str(self._pids[host]))
            self._run(host, "ip", "link", "set", "lo", "up")
        self._run(host, "ip", "address", "add", f"{self.address(host)}/24", "dev", end)
        self._run(host, "ip", "link", "set", end, "up")

    def _unplug(self, end: str) -> None:
        with suppress(subprocess.SubprocessError):  # the other ends are deleted with their namespaces
            self._run(DATA, "ip", "link", "delete", end)

    def _run(self, host: str, *command: str) -> None:
        subprocess.run(self.on(host, command), check=True, capture_output=True, timeout=10)
