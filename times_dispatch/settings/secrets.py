"""Secrets and addresses from the environment: ``NAME``, or ``NAME_FILE`` with the path of a file that holds it."""

from collections.abc import Mapping
from pathlib import Path


class Secret(str):
    """A text whose repr shows nothing, so that no dataclass, container or traceback shows it by accident."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret(***)" if self else "Secret()"


class SecretBytes(bytes):
    """Bytes whose repr shows nothing."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "SecretBytes(***)" if self else "SecretBytes()"


class Environment:
    """Reads variables one by one and gathers what is wrong with them, so that all of it can be said at once."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self.mistakes: list[str] = []

    def get(self, name: str, *, needed: str = "") -> Secret:
        """Return the value of *name* or the content of the file that *name*_FILE names, without the last line's end.

        Absent, it is empty; *needed*, a sentence that says what for, then makes that a mistake.
        """
        value = self._variables.get(name, "")
        path = self._variables.get(f"{name}_FILE", "")
        if value and path:
            self.refuse(name, f"is given twice, also as {name}_FILE")
        elif path:
            value = self._read(f"{name}_FILE", path)
        elif not value and needed:
            self.refuse(name, f"is not set ({needed}), and neither is {name}_FILE")
        return Secret(value)

    def refuse(self, name: str, reason: str) -> None:
        """Note a mistake; *reason* must not repeat the value."""
        self.mistakes.append(f"environment: {name}: {reason}")

    def _read(self, name: str, path: str) -> str:
        try:
            value = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            self.refuse(name, f"{path} cannot be read: {(error.strerror or 'unknown reason').lower()}")
            return ""
        except UnicodeDecodeError:
            self.refuse(name, f"{path} is not UTF-8")
            return ""
        if not value:
            self.refuse(name, f"{path} is empty")
        return value
