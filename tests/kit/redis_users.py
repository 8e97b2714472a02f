"""The users of redis-users.acl on a real Redis, and a stack whose processes each have their own user."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from redis import Redis

from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.demo.stack import Stack

FILE = Path(__file__).parents[2] / "redis-users.acl"


def read_users(file: Path = FILE) -> Mapping[str, list[str]]:
    """Return the ACL rules of each user in the file."""
    lines = [line.split() for line in file.read_text("utf-8").splitlines() if line.startswith("user ")]
    return {name: rules for _, name, *rules in lines}


_COMPOSE = yaml.safe_load((FILE.parent / "docker-compose.yml").read_text("utf-8"))
_SECRETS = (
    "DISPATCH_ID_KEY",
    "DISPATCH_LINK_KEY",
    "DISPATCH_CALLBACK_SECRET",
    "DISPATCH_FLOWER_BASIC_AUTH",
    "DISPATCH_CONSOLE_SECRET",
    "DISPATCH_PROVIDER_TIMESMOBILE_USERNAME",
    "DISPATCH_PROVIDER_TIMESMOBILE_PASSWORD",
)


def service(name: str) -> dict[str, Any]:
    """Return a service of docker-compose.yml."""
    services: dict[str, dict[str, Any]] = _COMPOSE["services"]
    return services[name]


def secrets_of(name: str) -> set[str]:
    """Return the variables that docker-compose.yml gives a service as files, without the suffix ``_FILE``."""
    return {variable.removesuffix("_FILE") for variable in service(name)["environment"] if variable.endswith("_FILE")}


PROCESS_USERS = sorted(set(read_users()) - {"default", "admin"})


def add_users(redis: Redis, password: str, file: Path = FILE) -> None:
    """Add the users of processes and of people to a server; the default user does not change."""
    for name, rules in read_users(file).items():
        if name != "default":
            redis.execute_command(  # type: ignore[no-untyped-call]
                "ACL", "SETUSER", name, "reset", f">{password}", *rules
            )


@contextmanager
def server_with_users() -> Iterator[EmbeddedServer]:
    """Run a separate server with the users of processes and of people; the password of each user is ``mellon``."""
    with EmbeddedServer() as server:
        with Redis.from_url(server.url) as redis:
            add_users(redis, "mellon")
        yield server


class StackWithUsers(Stack):
    """A stack in which each process has the Redis user of its kind, and commands have the user ``command``."""

    users_password = "mellon"

    def redis_url(self, process: str) -> str:
        """Return the URL with the user of a process."""
        user = process.partition("-")[0] or "command"
        return f"redis://{user}:{self.users_password}@127.0.0.1:{self.redis.port}/0"

    def environment_of(self, process: str) -> dict[str, str]:
        """Return the variables of a process, with only the secrets that docker-compose.yml gives to the process."""
        mine = secrets_of(process.partition("-")[0])
        everything = super().environment_of(process)
        return {name: value for name, value in everything.items() if name not in _SECRETS or name in mine}

    def start(self, **options: Any) -> None:
        """Start Redis, add the users, and start the processes."""
        self.redis.start()
        with Redis.from_url(self.redis.url) as redis:
            add_users(redis, self.users_password)
        super().start(**options)
