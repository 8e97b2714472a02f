"""What stops a command, as a line for people and an exit code for programs."""

from typing import IO, Any

import click
from redis import exceptions

from producers.errors import CommandFailed, InputInvalid
from times_dispatch.ledger.connection import RedisUnavailable
from times_dispatch.ledger.errors import CampaignUnknown, LedgerError, is_transient
from times_dispatch.settings.errors import SettingsInvalid


class Stopped(click.ClickException):
    """The input was fine and it still did not work; shown as it is, on stderr."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message."""
        click.echo(self.message, file=file, err=file is None)


class CommandRefused(Stopped):
    """Wrong usage, bad input, or Redis away."""

    exit_code = 2


def failure(error: Exception) -> Stopped | None:
    """Return what to say of an error that a command may meet; None if it is a fault of the program."""
    match error:
        case InputInvalid() | SettingsInvalid() | RedisUnavailable() | CampaignUnknown():
            return CommandRefused(str(error))
        case CommandFailed() | LedgerError():
            return Stopped(str(error))
        case OSError(filename=str(name), strerror=str(reason)):
            return Stopped(f"{name}: {reason.lower()}")
    if isinstance(error, exceptions.ResponseError) and not is_transient(error):
        return Stopped("what the ledger holds here is damaged; restore it (docs/operations.md)")
    # The words of Redis' own errors may hold its address, and that its password.
    for kind, reason in _REDIS.items():
        if isinstance(error, kind):
            return CommandRefused(f"Redis {reason}; run the same command again")
    return None


_REDIS = {
    exceptions.ConnectionError: "went away in the middle",
    exceptions.TimeoutError: "did not answer in time",
    exceptions.OutOfMemoryError: "has no memory left: raise its maxmemory",
    exceptions.ReadOnlyError: "has become a replica and cannot be written to",
}
