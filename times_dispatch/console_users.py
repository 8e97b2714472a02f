"""The users of the console: a TOML file that has a role and an argon2 hash of the password for each name.

``dispatch console user`` writes the file, and the console reads it again after each change.
"""

import os
import re
import stat
import tempfile
import tomllib
from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Final

import msgspec
import tomlkit
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from times_dispatch.bounded_file import read_bounded_text

MIN_PASSWORD: Final = 12
MAX_PASSWORD: Final = 200
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
_WRITABLE_BY_OTHERS: Final = 0o022
_HEADER: Final = "Users of the console. Change them with: dispatch console user add, list, remove"


class ConsoleRole(StrEnum):
    """The rights of a user of the console; each role includes the rights of the roles before it."""

    VIEWER = "viewer"
    """May see campaigns, figures and the state of the deployment, but neither numbers nor texts."""
    OPERATOR = "operator"
    """May also see masked numbers and texts; may pause, resume, cancel and resend campaigns, and change rates."""
    OWNER = "owner"
    """May also see the users and their actions."""

    def includes(self, other: "ConsoleRole") -> bool:
        """Return whether this role includes the rights of another role."""
        order = list(ConsoleRole)
        return order.index(self) >= order.index(other)


class ConsoleUser(msgspec.Struct, frozen=True, kw_only=True):
    """One user of the console."""

    name: str
    role: ConsoleRole
    password: str = ""
    """The argon2 hash of the password; empty for a user whose login a proxy checks."""

    def __repr__(self) -> str:
        """Return a text without the hash."""
        return f"ConsoleUser({self.name!r}, {self.role.value})"


class ConsoleUsersInvalid(Exception):
    """The users file cannot be read; the message has the reason, and no hash."""


class ConsoleUsers:
    """Reads the users file when it has changed."""

    def __init__(self, path: Path, *, hasher: PasswordHasher | None = None) -> None:
        """Make a reader of a file, which may be missing.

        Args:
            path: the users file.
            hasher: makes and checks hashes; by default with the parameters that argon2-cffi recommends.
        """
        self.path = path
        self._hasher = hasher or PasswordHasher()
        self._version: tuple[int, int, int] | None = None
        self._users: Mapping[str, ConsoleUser] = {}

    def all(self) -> Mapping[str, ConsoleUser]:
        """Return the users by name, without a file an empty dictionary; raise ``ConsoleUsersInvalid``."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise ConsoleUsersInvalid(f"{self.path}: cannot be read: {error.strerror}") from None
        if not stat.S_ISREG(status.st_mode):  # the console would wait for a pipe, and read a device for ever
            raise ConsoleUsersInvalid(f"{self.path}: is no regular file")
        version = status.st_mtime_ns, status.st_size, status.st_ino
        if version != self._version:
            if status.st_mode & _WRITABLE_BY_OTHERS:
                raise ConsoleUsersInvalid(f"{self.path}: other users of this host can write it: chmod 600 {self.path}")
            self._users = read_users(self.path)
            self._version = version
        return self._users

    def hashed(self, password: str) -> str:
        """Return the hash of a password that may be stored; raise ValueError if the password is too short or long."""
        if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
            raise ValueError(
                f"a password has {MIN_PASSWORD} to {MAX_PASSWORD} characters, this one has {len(password)}"
            )
        return self._hasher.hash(password)

    @cached_property
    def _unknown(self) -> str:
        """Return a hash for unknown users; it is computed at the first login, because most commands need no hash."""
        return self._hasher.hash("the password of a user who does not exist")

    def with_password(self, name: str, password: str) -> ConsoleUser | None:
        """Return the user with this name and password; None if there is no such user.

        A call with an unknown name takes as long as a call with a wrong password: some hundredths of a second, and 64
        MB.
        """
        user, unknown = self.all().get(name), self._unknown
        try:
            self._hasher.verify(user.password if user and user.password else unknown, password)
        except (VerificationError, InvalidHashError):
            return None
        return user if user and user.password else None


def check_user_name(name: str) -> str:
    """Return the name of a user; raise ``ValueError`` if the name has an invalid form."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            "a user's name is letters, digits, . _ @ + or -, at most 64, and begins with a letter or digit"
        )
    return name


def read_users(path: Path) -> dict[str, ConsoleUser]:
    """Return the users of a file by name; raise ConsoleUsersInvalid."""
    try:
        data = tomllib.loads(read_bounded_text(path))
        tables = msgspec.convert(data.get("users", {}), dict[str, dict[str, str]])
        return {
            check_user_name(name): ConsoleUser(
                name=name, role=ConsoleRole(table["role"]), password=table.get("password", "")
            )
            for name, table in tables.items()
        }
    except OSError as error:
        raise ConsoleUsersInvalid(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, RecursionError, msgspec.ValidationError):
        raise ConsoleUsersInvalid(f"{path}: is no users file: each table [users.NAME] needs a role") from None


def write_users(path: Path, users: Mapping[str, ConsoleUser]) -> None:
    """Replace the users file in one step, with rights for its owner only. Raises OSError."""
    document = tomlkit.document()
    document.add(tomlkit.comment(_HEADER))
    tables = tomlkit.table(is_super_table=True)
    for name, user in sorted(users.items()):
        tables[name] = {"role": user.role.value, **({"password": user.password} if user.password else {})}
    document["users"] = tables
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(tomlkit.dumps(document))
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)
