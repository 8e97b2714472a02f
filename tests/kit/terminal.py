"""Runs the ``dispatch`` command on a pseudo-terminal, and types answers to its questions."""

import os
import pty
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

_ROOT = Path(__file__).parents[2]
"""The folder of the project."""


class Answered(NamedTuple):
    """The output of a command on the terminal, and its exit code."""

    exit_code: int
    output: str


def answer(
    *arguments: str,
    folder: Path,
    redis_url: str,
    keys: str,
    variables: Mapping[str, str] = {},
    meanwhile: Callable[[], object] | None = None,
) -> Answered:
    """Run ``dispatch`` with stdin, stdout and stderr on a terminal, and type some keys.

    Args:
        arguments: the arguments of the command.
        folder: the working directory.
        redis_url: the address of the ledger.
        keys: the keys to type, with a line break at the end.
        variables: further environment variables.
        meanwhile: a function that is called after the question is printed and before the keys are typed.
    """
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", "from producers.cli import main; main()", *arguments]
    environment = {**os.environ, "DISPATCH_REDIS_URL": redis_url, "PYTHONPATH": str(_ROOT), **variables}
    try:
        if not meanwhile:
            os.write(ours, keys.encode())
        with subprocess.Popen(  # only tests choose the arguments
            command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=environment
        ) as process:
            os.close(theirs)
            question = ""
            if meanwhile:
                question = _read_until(ours, "go on?")
                meanwhile()
                os.write(ours, keys.encode())
            output = question + _read_all(ours)
            return Answered(process.wait(timeout=60), output.replace("\r\n", "\n"))
    finally:
        os.close(ours)


def _read_until(terminal: int, end: str) -> str:
    """Return the output up to and including a text."""
    output = b""
    while end.encode() not in output:
        output += os.read(terminal, 65_536)  # fails if the command ends without the text
    return output.decode()


def _read_all(terminal: int) -> str:
    """Return the output until the command closes the terminal."""
    output = b""
    while True:
        try:
            piece = os.read(terminal, 65_536)
        except OSError:  # Linux raises this error when no process has the terminal open
            return output.decode()
        if not piece:
            return output.decode()
        output += piece
