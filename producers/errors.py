"""What stops a command, as one small tree; the command line turns each into one line and an exit code.

DispatchError
├── InputInvalid     what the user gave cannot be used: exit code 2, nothing half-done
└── CommandFailed    the input was fine and it still did not work: exit code 1
"""


class DispatchError(Exception):
    """Stop the command; the message names the thing and says what to do, and holds no number, text or credential."""


class InputInvalid(DispatchError):
    """Refuse the input; several mistakes are told together, one a line."""

    def __init__(self, *mistakes: str) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class CommandFailed(DispatchError):
    """Give up on something that is not the user's input."""
