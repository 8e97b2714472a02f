"""All processes on four hosts: Redis, receiver and reconciler on one, the provider on another, workers on two."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.chaos.faked_clock import find_library
from tests.hosts.network import DATA, PROVIDER, WORKERS, Network
from times_dispatch.demo.local_ports import free_port
from times_dispatch.demo.processes import Process
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.demo.stack import Stack

SENDERS: Final = ("HOSTAA", "HOSTBB", "HOSTCC", "HOSTDD", "HOSTEE", "HOSTFF")
RATE_PER_S: Final = 40
TEXT: Final = "Dear {#var#}, your order has been shipped. - TIMES"
CONTENT_ID: Final = "1207161786534401928"
_HOSTS: Final = {"sandbox": PROVIDER, "worker-1": WORKERS[0], "beat": WORKERS[0], "worker-2": WORKERS[1]}
_ON_FAKED_CLOCK: Final = Path(__file__).parent / "on_faked_clock"
_PASSWORD: Final = "a-password-of-redis"  # the sender's name ends with the number of the sender
_SENDER = """
[senders.{name}]
category = "service"
entity_id = "1201159134572839402"
rate_per_s = {rate}
"""
_SETTINGS: Final = f"""
[providers.timesmobile]
preset = "timesmobile-post"
default = true
{"".join(_SENDER.format(name=name, rate=RATE_PER_S) for name in SENDERS)}
[templates.order]
senders = {list(SENDERS)}
content_id = "{CONTENT_ID}"
text = "{TEXT}"

[logs]
format = "json"
"""


class HostsStack(Stack):
    """The stack on the hosts of a network, with two beats.

    Args:
        network: The hosts.
        ahead_s: By how many seconds the clock of each host is ahead; hosts that are left out have the true time.
        round_trip_s: The seconds that a message and its answer take between workers and all other hosts.
    """

    def __init__(
        self, network: Network, *, ahead_s: Mapping[str, int] | None = None, round_trip_s: float = 0.0
    ) -> None:
        data, provider = network.address(DATA), network.address(PROVIDER)
        super().__init__(
            settings=_SETTINGS,
            workers=len(WORKERS),
            sandbox={"host": provider, "latency_max_ms": 20, "reports": {"delay_min_ms": 50, "delay_max_ms": 500}},
        )
        self.network = network
        self._ahead_s = dict(ahead_s or {})
        self._round_trip_s = round_trip_s
        self._slow_ports: dict[str, tuple[int, int]] = {}
        self.redis = EmbeddedServer(
            directory=self.folder / "redis", appendonly=True, password=_PASSWORD, options={"bind": f"127.0.0.1 {data}"}
        )

    @property
    def sandbox_url(self) -> str:
        return super().sandbox_url.replace("127.0.0.1", self.network.address(PROVIDER))

    @property
    def receiver_url(self) -> str:
        return super().receiver_url.replace("127.0.0.1", self.network.address(DATA))

    def environment_of(self, process: str) -> dict[str, str]:
        """Return the variables of a process, with the addresses and the clock of its host."""
        host, variables = self._host_of(process), super().environment_of(process)
        variables["DISPATCH_CALLBACKS_LISTEN"] = self.receiver_url.removeprefix("http://")
        if ports := self._slow_ports.get(host):
            variables["DISPATCH_PROVIDER_TIMESMOBILE_ENDPOINT"] = f"http://127.0.0.1:{ports[1]}/ct/api/v1/message"
        if ahead_s := self._ahead_s.get(host):
            variables |= {
                "PYTHONPATH": os.pathsep.join((str(_ON_FAKED_CLOCK), variables["PYTHONPATH"])),
                "LD_PRELOAD": str(find_library()),
                "FAKETIME": f"{ahead_s:+d}s",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "DONT_FAKE_MONOTONIC": "1",
            }
        return variables

    def redis_url(self, process: str) -> str:
        """Return the URL by which the host of a process reaches Redis."""
        host = self._host_of(process)
        if ports := self._slow_ports.get(host):
            return f"redis://:{_PASSWORD}@127.0.0.1:{ports[0]}/0"
        return self.redis.url.replace("127.0.0.1", "127.0.0.1" if host == DATA else self.network.address(DATA))

    def start(self, **options: Any) -> None:
        """Start all processes and the second beat."""
        super().start(**options)
        self._start("beat-2", [sys.executable, "-m", "celery", "--quiet", "-A", "workers.beat", "beat"])

    def _start(self, name: str, command: list[str]) -> None:
        host = self._host_of(name)
        if self._round_trip_s and host in WORKERS and host not in self._slow_ports:
            self._start_slow_links(host)
        environment = self.environment_of(name)
        process = Process(name, self.network.on(host, command), environment=environment, folder=self.folder)
        self.processes[name] = process
        process.start()

    def _start_slow_links(self, host: str) -> None:
        ports = self._slow_ports[host] = (free_port(), free_port())
        targets = (
            (self.network.address(DATA), self.redis.port),
            (self.network.address(PROVIDER), self._ports["sandbox"]),
        )
        for port, (address, target) in zip(ports, targets, strict=True):
            name = f"slow-link-{port}"
            words = (str(port), address, str(target), str(self._round_trip_s))
            command = self.network.on(host, [sys.executable, "-m", "tests.hosts.slow_link", *words])
            self.processes[name] = Process(name, command, environment=self.environment, folder=self.folder)
            self.processes[name].start()

    @staticmethod
    def _host_of(process: str) -> str:
        return WORKERS[1] if process == "beat-2" else _HOSTS.get(process, DATA)
