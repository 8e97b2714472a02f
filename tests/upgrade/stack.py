"""A stack in which each process runs the code of the last release, or the code of this tree."""

import os
import signal
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from redis import Redis

from tests.kit.redis_users import StackWithUsers, add_users
from times_dispatch.demo.processes import Process, clean_environment
from times_dispatch.demo.stack import Stack

_NEW: Final = Path(__file__).parents[2]
_STOPPED_WITHIN_S: Final = 300.0
_CUT_SHORT: Final = ("ended without Celery", "batches abandoned", "stop took too long")
COMMANDS: Final = "commands"
"""Stands for the commands of the command line where the name of a process is expected."""


class Version(StrEnum):
    """Which code a process runs."""

    OLD = "old"
    NEW = "new"


class MixedStack(StackWithUsers):
    """A stack whose processes all begin with one version; ``replace`` restarts a process with another version.

    The sandbox always runs the code of this tree. Each process has the Redis user of its kind, with the rights of the
    ``redis-users.acl`` that was loaded last.

    Args:
        old: The folder with the code of the last release. Its settings count: an upgrade changes no settings.
        begins_with: The version of all processes and commands at the beginning.
        sandbox: Options of the sandbox, as for ``Stack``.
        settings: The text of ``dispatch.toml``.
    """

    def __init__(self, old: Path, *, begins_with: Version, settings: str, sandbox: dict[str, Any]) -> None:
        super().__init__(settings=settings, workers=2, reconcilers=2, links=True, sandbox=sandbox)
        self._folders = {Version.OLD: old, Version.NEW: _NEW}
        self._begins_with = begins_with
        self._versions: dict[str, Version] = {"sandbox": Version.NEW}
        self._commands: dict[str, list[str]] = {}

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "PYTHONPATH": self._path_of(COMMANDS)}

    def environment_of(self, process: str) -> dict[str, str]:
        """Return the variables of a process, which select the code of its version."""
        return {**super().environment_of(process), "PYTHONPATH": self._path_of(process)}

    def version_of(self, process: str) -> Version:
        """Return the version of a process, or of the commands."""
        return self._versions.get(process, self._begins_with)

    def start(self, **options: Any) -> None:
        """Start Redis, load the users of the first version, and start the processes."""
        self.redis.start()
        self.load_users(self._begins_with)
        Stack.start(self, **options)

    def load_users(self, version: Version) -> None:
        """Load the ``redis-users.acl`` of a version."""
        with Redis.from_url(self.redis.url) as redis:
            add_users(redis, self.users_password, self._folders[version] / "redis-users.acl")

    def workers_cut_short(self) -> list[str]:
        """Return the logs of workers that could not end their pushes within the grace period, on a slow machine."""
        logs = {log.name: log.read_text("utf-8") for log in self.folder.glob("worker-*.log")}
        return [name for name, lines in logs.items() if any(words in lines for words in _CUT_SHORT)]

    def refused_by_redis(self) -> list[str]:
        """Return the commands that Redis refused because a user had no right to run them, with the users."""
        with Redis.from_url(self.redis.url, decode_responses=True) as redis:
            return [f"{entry['username']}: {entry['object']} ({entry['context']})" for entry in redis.acl_log()]

    def set_commands(self, version: Version) -> None:
        """Let all further commands run the code of a version."""
        self._versions[COMMANDS] = version

    def replace(self, name: str, version: Version) -> None:
        """Stop a process, start it with a version, and return when the process is ready."""
        self.replace_at_once([name], version)

    def replace_at_once(self, names: list[str], version: Version) -> None:
        """Stop some processes, and then start all of them with a version."""
        for name in names:
            self.processes[name].send(signal.SIGTERM)
        for name in names:
            if self.processes[name].wait(_STOPPED_WITHIN_S) is None:
                raise TimeoutError(f"{name} did not stop:\n{self.processes[name].log_tail()}")
        for name in names:
            self._versions[name] = version
            self._start(name, self._commands[name])
        for name in names:
            self._wait_until_ready(name)

    def _path_of(self, name: str) -> str:
        folder = self._folders[self.version_of(name)]
        return os.pathsep.join(filter(None, (str(folder), clean_environment().get("PYTHONPATH", ""))))

    def _start(self, name: str, command: list[str]) -> None:
        """Start a process; each start has its own log, because a line in the log shows that the process is ready."""
        self._commands[name] = command
        number = len(list(self.folder.glob(f"{name}.*.log")))
        log_name = f"{name}.{number}-{self.version_of(name)}"
        process = Process(log_name, command, environment=self.environment_of(name), folder=self.folder)
        self.processes[name] = process
        process.start()

    def _wait_until_ready(self, name: str) -> None:
        if name.startswith("worker"):
            self._wait_for_worker(name)
        elif name == "beat":
            # Without beat nobody issues the batches that a stopping worker returns, if no other worker has a batch.
            self._wait_for_log(name, "LocalTime ->")
        elif name in {"receiver", "links"}:
            url = f"{self.receiver_url if name == 'receiver' else self.links_url}/ready"
            self._wait_for(name, url)
        else:
            self.processes[name].check()
