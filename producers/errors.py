"""The errors that end a command; the command line turns each into lines on stderr and an exit code.

DispatchError
├── InputInvalid     the input cannot be used: exit code 2, and nothing was done
└── CommandFailed    the input was fine, and something else failed: exit code 1
"""

import os
from pathlib import Path

from times_dispatch.bounded_mistakes import bounded_mistakes


class DispatchError(Exception):
    """End the command. The message names the cause and the remedy, and holds no number, text or credential."""


class InputInvalid(DispatchError):
    """Refuse the input; several mistakes are shown together, one on each line."""

    def __init__(self, *mistakes: str) -> None:
        self.mistakes = bounded_mistakes(mistakes)
        super().__init__("\n".join(self.mistakes))


def no_file(path: Path) -> str:
    """Return in one line why a path is no readable file; empty if the path is a readable file.

    Examples are ``a.csv: no such file`` and ``a.csv: cannot be read: permission denied``.

    Raises:
        OSError: the file system gives an error, so that the answer is unknown.
    """
    denied = f"{path}: cannot be read: permission denied"
    try:
        if path.is_file():
            return "" if os.access(path, os.R_OK) else denied
        if path.is_dir():
            return f"{path}: is not a file but a folder"
        return f"{path}: {'is not a file' if path.exists() else 'no such file'}"
    except PermissionError:  # a folder of the path cannot be searched
        return denied


class CommandFailed(DispatchError):
    """End the command for a reason that is not in the input."""
