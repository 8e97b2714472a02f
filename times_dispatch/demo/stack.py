"""Starts all processes that a campaign needs on free ports of 127.0.0.1, in order, and stops them in reverse order.

The demo, the end-to-end tests, the chaos suite and the benchmarks use it.
"""

import os
import secrets
import shlex
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import tomlkit

import times_dispatch
from times_dispatch.console_users import ConsoleRole, ConsoleUser, ConsoleUsers, write_users
from times_dispatch.demo.local_ports import free_port
from times_dispatch.demo.local_settings import DEMO_SETTINGS, REGISTRY_NAME
from times_dispatch.demo.processes import Process, clean_environment
from times_dispatch.demo.readiness import wait_until_started
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.sandbox.gateway import POST_PATH
from times_dispatch.settings.providers.builder import variable_prefix

SETTINGS = DEMO_SETTINGS
SANDBOX_IN_SETTINGS = "http://127.0.0.1:8086"
"""In the settings, this URL stands for the sandbox; ``Stack.start`` replaces it with the sandbox's real URL."""
_CODE = Path(times_dispatch.__file__).parents[1]
"""All processes run the code of this process, even if another copy of the project is installed."""
_USERNAME = "demo-account"


class Stack:
    """Redis, sandbox, workers, beat, receiver, reconciler, console and Flower, in a temporary folder.

    Args:
        settings: The text of ``dispatch.toml``; by default the demo's own.
        registry: The text of the registry file ``templates.toml`` beside ``dispatch.toml``; by default there is no such
            file.
        provider_paths: The path of the sandbox's API for each provider of the settings that the sandbox stands in for.
        workers: Number of worker processes.
        reconcilers: Number of reconciler processes.
        flower: Whether Flower is started.
        console: Whether the console is started, with a user of each role.
        metrics: Whether the processes of metrics and of alerts are started.
        links: Whether the links process is started, and recipients of the sandbox click links.
        appendonly: Whether Redis writes its append-only file.
        appendfsync: When Redis flushes the append-only file: ``always``, ``everysec`` or ``no``.
        sandbox: Options of the sandbox's configuration, with ``reports`` as a nested table.
        redis_folder: The folder in which Redis keeps its data after the end; by default the data is deleted.
        redis_executable: The Redis server; by default the first one that ``redis_server.find_server`` finds.
        ledger_url: The URL of the ledger; by default the stack's own Redis, which is always the broker.
        environment: More environment variables for all processes; they override the stack's own.
    """

    def __init__(
        self,
        *,
        settings: str | None = None,
        registry: str = "",
        provider_paths: Mapping[str, str] | None = None,
        workers: int = 2,
        reconcilers: int = 1,
        flower: bool = False,
        links: bool = False,
        metrics: bool = False,
        console: bool = False,
        appendonly: bool = True,
        appendfsync: str = "everysec",
        sandbox: Mapping[str, Any] | None = None,
        redis_folder: Path | None = None,
        redis_executable: str | None = None,
        ledger_url: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="times-dispatch-"))
        self._settings = settings or SETTINGS.read_text("utf-8")
        self._registry = registry
        self._provider_paths = dict(provider_paths or {"timesmobile": POST_PATH})
        self._with_flower = flower
        self._with_links = links
        self._with_metrics = metrics
        self._with_console = console
        self._workers = workers
        self._reconcilers = reconcilers
        self._ledger_password = secrets.token_urlsafe(12)
        self._password = secrets.token_urlsafe(12)
        self._callback_secret = secrets.token_urlsafe(18)
        self.flower_auth = ("demo", secrets.token_urlsafe(9))
        self.console_users = {role.value: secrets.token_urlsafe(12) for role in ConsoleRole}
        """The password of each user of the console; each user is named after the user's role."""
        self._console_secret = secrets.token_urlsafe(24)
        self._ports = {name: free_port() for name in ("sandbox", "receiver", "metrics", "flower", "links", "console")}
        self._sandbox_options = dict(sandbox or {})
        self._extra = dict(environment or {})
        self._ledger_url = ledger_url
        self.redis = EmbeddedServer(
            directory=redis_folder or self.folder / "redis",
            appendonly=appendonly,
            appendfsync=appendfsync,
            password=self._ledger_password,
            executable=redis_executable,
        )
        self.redis_ports: dict[str, int] = {}
        """The ports through which processes reach Redis, by process name; "" is for all other processes and for
        commands.
        """
        self.processes: dict[str, Process] = {}

    @property
    def sandbox_url(self) -> str:
        """The URL under which the processes of the stack reach the sandbox."""
        return f"http://127.0.0.1:{self._ports['sandbox']}"

    @property
    def receiver_url(self) -> str:
        """The URL of the receiver, without the path of the callbacks."""
        return f"http://127.0.0.1:{self._ports['receiver']}"

    @property
    def postback_url(self) -> str:
        """The URL to which the provider posts its reports; its path ends with the secret."""
        return f"{self.receiver_url}/callbacks/{self._callback_secret}"

    @property
    def links_url(self) -> str:
        """The URL of the links process, without the path of a link."""
        return f"http://127.0.0.1:{self._ports['links']}"

    @property
    def metrics_url(self) -> str:
        """The URL at which Prometheus scrapes."""
        return f"http://127.0.0.1:{self._ports['metrics']}/metrics"

    @property
    def flower_url(self) -> str:
        """The URL of Flower's first page."""
        return f"http://127.0.0.1:{self._ports['flower']}"

    @property
    def console_url(self) -> str:
        """The URL of the console's first page."""
        return f"http://127.0.0.1:{self._ports['console']}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of every process."""
        return {
            **clean_environment(),
            "PYTHONPATH": os.pathsep.join(filter(None, (str(_CODE), clean_environment().get("PYTHONPATH", "")))),
            "PYTHONUNBUFFERED": "1",
            "PATH": f"{Path(sys.executable).parent}:{clean_environment().get('PATH', '')}",
            "DISPATCH_SETTINGS": str(self.folder / "dispatch.toml"),
            "DISPATCH_REDIS_URL": self.redis_url(""),
            **({"DISPATCH_BROKER_URL": self.redis.url} if self._ledger_url else {}),
            "DISPATCH_ID_KEY": "demo-key-" + "0" * 23,
            "DISPATCH_LINK_KEY": "demo-link-key-" + "0" * 18,
            "DISPATCH_LINKS_LISTEN": f"127.0.0.1:{self._ports['links']}",
            "DISPATCH_METRICS_LISTEN": f"127.0.0.1:{self._ports['metrics']}",
            "DISPATCH_CALLBACK_SECRET": self._callback_secret,
            "DISPATCH_CONSOLE_SECRET": self._console_secret,
            "DISPATCH_CONSOLE_LISTEN": f"127.0.0.1:{self._ports['console']}",
            "DISPATCH_CALLBACKS_LISTEN": f"127.0.0.1:{self._ports['receiver']}",
            "DISPATCH_FLOWER_BASIC_AUTH": ":".join(self.flower_auth),
            **self._provider_environment(),
            "SANDBOX_USERNAME": _USERNAME,
            "SANDBOX_PASSWORD": self._password,
            **self._extra,
        }

    def _provider_environment(self) -> dict[str, str]:
        values = dict[str, str]()
        for nickname, path in self._provider_paths.items():
            prefix = variable_prefix(nickname)
            values[f"{prefix}ENDPOINT"] = f"{self.sandbox_url}{path}"
            values[f"{prefix}USERNAME"], values[f"{prefix}PASSWORD"] = _USERNAME, self._password
        return values

    def environment_of(self, process: str) -> dict[str, str]:
        """Return the environment variables of one process."""
        return {**self.environment, "DISPATCH_REDIS_URL": self.redis_url(process), **self._extra}

    def redis_url(self, process: str) -> str:
        """Return the URL through which a process reaches the ledger."""
        if self._ledger_url:
            return self._ledger_url
        port = self.redis_ports.get(process) or self.redis_ports.get("") or self.redis.port
        return self.redis.url.replace(f":{self.redis.port}/", f":{port}/")

    @property
    def worker_names(self) -> list[str]:
        """The names of the worker processes: ``worker-1``, ``worker-2`` and so on."""
        return [f"worker-{number}" for number in range(1, self._workers + 1)]

    def start(self, *, progress: Callable[[str], None] = lambda _name: None) -> None:
        """Start all processes and return when they are ready; raise ``ProcessFailed`` or ``EmbeddedServerFailed``.

        *progress* is called with the name of each process before the wait for it.
        """
        settings = self._settings.replace(SANDBOX_IN_SETTINGS, self.sandbox_url)
        (self.folder / "dispatch.toml").write_text(settings, "utf-8")
        if self._registry:
            (self.folder / REGISTRY_NAME).write_text(self._registry, "utf-8")
        progress("redis")
        self.redis.start()
        self._write_sandbox_config()
        python = sys.executable
        self._start("sandbox", [python, "-m", "times_dispatch.sandbox", "--config", str(self.folder / "sandbox.toml")])
        self._start("receiver", [python, "-m", "callbacks.receiver"])
        if self._with_links:
            self._start("links", [python, "-m", "callbacks.links"])
        for number in range(1, self._reconcilers + 1):
            self._start(f"reconciler-{number}", [python, "-m", "callbacks.reconciler"])
        for name in self.worker_names:
            self._start(name, worker_command(name))
        schedule = str(self.folder / "beat-schedule")
        self._start("beat", [python, "-m", "celery", "-A", "workers.beat", "beat", "--schedule", schedule])
        if self._with_console:
            self._write_console_users()
            self._start("console", [python, "-m", "console"])
        if self._with_metrics:
            self._start("metrics", [python, "-m", "times_dispatch.metrics"])
            self._start("alerts", [python, "-m", "times_dispatch.alerts"])
        if self._with_flower:
            self._start("flower", flower_command(self._ports["flower"]))
        for name, url in self._health():
            progress(name)
            self._wait_for(name, url)
        for name in self.worker_names:
            progress(name)
            self._wait_for_worker(name)

    def stop(self) -> None:
        """Stop all processes in reverse order and remove the folder."""
        for process in reversed(self.processes.values()):
            process.stop()
        self.redis.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def write_environment(self) -> Path:
        """Write a file that the shell of another terminal can source (``. FILE``); return the path of the file."""
        lines = ["PATH", *(name for name in self.environment if name.startswith("DISPATCH_"))]
        path = self.folder / "environment"
        path.touch(mode=0o600)
        path.write_text("".join(f"export {name}={shlex.quote(self.environment[name])}\n" for name in lines), "utf-8")
        return path

    def check(self) -> None:
        """Raise ``ProcessFailed`` if a process has ended by itself."""
        for process in self.processes.values():
            process.check()

    def books(self) -> dict[str, Any]:
        """Return the sandbox's own books."""
        books: dict[str, Any] = httpx.get(f"{self.sandbox_url}/sandbox/books", timeout=60, trust_env=False).json()
        return books

    def __enter__(self) -> "Stack":
        with ExitStack() as on_failure:
            on_failure.callback(self.stop)
            self.start()
            on_failure.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _write_sandbox_config(self) -> None:
        options = {**self._sandbox_options, "port": self._ports["sandbox"]}
        options["username"], options["password"] = _USERNAME, self._password
        options["reports"] = {"url": self.postback_url, **options.get("reports", {})}
        if self._with_links:
            domain = tomllib.loads(self._settings).get("links", {}).get("url", "")
            options["clicks"] = {"url": self.links_url, "domain": domain, **options.get("clicks", {})}
        (self.folder / "sandbox.toml").write_text(tomlkit.dumps(options), "utf-8")

    def _write_console_users(self) -> None:
        users = ConsoleUsers(self.folder / "console-users.toml")
        known = {
            name: ConsoleUser(name=name, role=ConsoleRole(name), password=users.hashed(password))
            for name, password in self.console_users.items()
        }
        write_users(users.path, known)

    def _start(self, name: str, command: list[str]) -> None:
        process = Process(name, command, environment=self.environment_of(name), folder=self.folder)
        self.processes[name] = process
        process.start()

    def _health(self) -> list[tuple[str, str]]:
        checks = [
            ("sandbox", f"{self.sandbox_url}/sandbox/health"),
            ("receiver", f"{self.receiver_url}/ready"),
        ]
        if self._with_links:
            checks.append(("links", f"{self.links_url}/ready"))
        if self._with_console:
            checks.append(("console", f"{self.console_url}/health"))
        if self._with_metrics:
            checks.append(("metrics", self.metrics_url.replace("/metrics", "/health")))
        if self._with_flower:
            checks.append(("flower", f"{self.flower_url}/healthcheck"))
        return checks

    def _wait_for(self, name: str, url: str) -> None:
        wait_until_started(self.processes[name], lambda: _why_not_ok(url))

    def _wait_for_worker(self, name: str) -> None:
        self._wait_for_log(name, "ready")

    def _wait_for_log(self, name: str, words: str) -> None:
        process = self.processes[name]
        missing = f'its log does not say "{words}"'
        wait_until_started(process, lambda: "" if words in process.log_tail(50) else missing)


def _why_not_ok(url: str) -> str:
    """Return why a URL does not answer 200; an empty text if it does."""
    try:
        answer = httpx.get(url, timeout=2, trust_env=False)
    except httpx.HTTPError as error:
        return f"{url}: {type(error).__name__}"
    return "" if answer.status_code == httpx.codes.OK else f"{url} answers {answer.status_code}: {answer.text[:200]}"


def worker_command(name: str) -> list[str]:
    """Return the command that starts a worker."""
    return [
        *(sys.executable, "-m", "celery", "-A", "workers.app", "worker", "--hostname", f"{name}@%h"),
        *("--without-gossip", "--without-mingle", "--loglevel", "INFO"),
    ]


def flower_command(port: int) -> list[str]:
    """Return the command that starts Flower; Flower reads the login from the environment."""
    return [sys.executable, "-m", "times_dispatch.broker.flower", "--address=127.0.0.1", f"--port={port}"]
