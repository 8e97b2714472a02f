"""Writes docs/terminal.md: the output of commands on terminals of 80 and 60 columns, for a small campaign.

Run ``python -m times_dispatch.demo.pictures docs/terminal.md``.
"""

import argparse
import fcntl
import os
import pty
import re
import socket
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path

from times_dispatch.demo import recipients
from times_dispatch.demo.processes import run
from times_dispatch.demo.stack import Stack

_WIDTHS = (80, 60)
_ROWS = 500
_INTRODUCTION = """\
# What commands print

A terminal of 80 columns and one of 60 columns, for a small campaign that went through the sandbox.
`python -m times_dispatch.demo.pictures docs/terminal.md` writes this page.
"""
_CONTROL_SEQUENCE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])")


def main(path: Path) -> None:
    """Send a small campaign through the sandbox, and write the output of the commands."""
    stack = Stack(workers=1)
    try:
        stack.start()
        environment = {**stack.environment, "DISPATCH_ACTOR": "asha@example.com"}
        campaign = (Path(__file__).parent / "campaign.toml").read_text("utf-8")
        (stack.folder / "campaign.toml").write_text(campaign, "utf-8")
        recipients.write(stack.folder / "customers.csv", _ROWS)
        files = ("campaign.toml", "--recipients", "customers.csv")
        checked = [("check", *files)]
        pages = [_INTRODUCTION, *_section(checked, stack.folder, environment)]
        submit = ["dispatch", "submit", *(str(stack.folder / name) if "." in name else name for name in files)]
        run(submit, environment)
        shown = [("watch", "last"), ("list",), ("show", "last"), ("status",)]
        pages += _section(shown, stack.folder, environment)
    finally:
        stack.stop()
    path.write_text("\n".join(pages).rstrip("\n") + "\n", "utf-8")


def picture(command: Sequence[str], *, columns: int, folder: Path, environment: Mapping[str, str]) -> str:
    """Return the last content of a terminal on which a command ran, without colours.

    Args:
        command: the program and its arguments.
        columns: the width of the terminal.
        folder: the working directory.
        environment: the environment variables.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env={**environment, "TERM": "xterm"}
    ):
        os.close(theirs)
        output = b""
        try:
            while piece := os.read(ours, 65_536):
                output += piece
        except OSError:  # on Linux: no process has the terminal open any more
            pass
        finally:
            os.close(ours)
    lines = _shown_lines(output.decode("utf-8", "replace"))
    return "\n".join(lines).strip("\n").replace(str(folder), ".").replace(socket.gethostname(), "host")


def _shown_lines(output: str) -> list[str]:
    """Return the lines that a terminal shows after some output: progress bars move up, erase lines and print again."""
    lines, row, printed = [""], 0, 0
    for sequence in _CONTROL_SEQUENCE.finditer(output):
        row = _print(lines, row, output[printed : sequence.start()])
        printed = sequence.end()
        arguments, letter = sequence.groups()
        if letter == "A":
            row = max(0, row - int(arguments or 1))
        elif letter == "K":
            lines[row] = ""
    _print(lines, row, output[printed:])
    return [line.rstrip() for line in lines]


def _print(lines: list[str], row: int, text: str) -> int:
    """Print a text without control sequences at the end of a line; return the line where it ends."""
    for piece in re.split(r"(\r++\n?|\n)", text):
        if piece.endswith("\n"):
            row += 1
            lines += [""] * (row == len(lines))
        elif piece.startswith("\r"):
            lines[row] = ""  # a program that returns to the beginning of a line prints the whole line again
        else:
            lines[row] += piece
    return row


def _section(commands: Sequence[Sequence[str]], folder: Path, environment: Mapping[str, str]) -> list[str]:
    pages = list[str]()
    for arguments in commands:
        pages.append(f"## dispatch {arguments[0]}\n")
        for columns in _WIDTHS:
            printed = picture(["dispatch", *arguments], columns=columns, folder=folder, environment=environment)
            pages.append(f"{columns} columns:\n\n```text\n$ dispatch {' '.join(arguments)}\n{printed}\n```\n")
    return pages


if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m times_dispatch.demo.pictures")
    parser.add_argument("page", type=Path, help="the file in Markdown that is written")
    main(parser.parse_args().page)
