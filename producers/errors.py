"""The errors that end a command; the command line turns each into lines on stderr and an exit code.

DispatchError
├── InputInvalid     the input cannot be used: exit code 2, and nothing was done
└── CommandFailed    the input was fine, and something else failed: exit code 1
"""

from times_dispatch.bounded_mistakes import bounded_mistakes


class DispatchError(Exception):
    """End the command. The message names the cause and what to do; it holds no number, text or credential."""


class InputInvalid(DispatchError):
    """Refuse the input; several mistakes are shown together, one on each line."""

    def __init__(self, *mistakes: str) -> None:
        self.mistakes = bounded_mistakes(mistakes)
        super().__init__("\n".join(self.mistakes))


class CommandFailed(DispatchError):
    """End the command for a reason that is not in the input."""
