"""The exit codes of commands: which error ends a command with which code and which message on stderr."""

from typing import IO, Any

import click
from redis import exceptions

from producers.errors import CommandFailed, InputInvalid
from times_dispatch.archive.errors import ArchiveError
from times_dispatch.ledger.connection import RedisUnavailable
from times_dispatch.ledger.errors import (
    RESTORE,
    CampaignAmbiguous,
    CampaignUnknown,
    IdKeyRefused,
    LedgerError,
    LedgerNewer,
    cluster_trouble,
    damage_of,
    is_transient,
)
from times_dispatch.settings.errors import SettingsInvalid
from times_dispatch.visible_text import visible


class FailureExit(click.ClickException):
    """End with 1: the input was fine, and something else failed. Stderr gets the lines and nothing else."""

    exit_code = 1

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(map(visible, lines)))

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message without click's prefix ``Error:``."""
        click.echo(self.message, file=file, err=file is None)  # noqa: TID251  # the lines are escaped already


class RefusalExit(FailureExit):
    """End with 2: wrong usage, bad input, or Redis is unavailable."""

    exit_code = 2


def exit_for(error: Exception) -> FailureExit | None:
    """Return how an error ends a command; None if the error is a fault of the program."""
    match error:
        case InputInvalid(mistakes=lines) | SettingsInvalid(mistakes=lines):
            return RefusalExit(*lines)
        case RedisUnavailable() | CampaignUnknown() | CampaignAmbiguous() | IdKeyRefused() | LedgerNewer():
            return RefusalExit(str(error))
        case CommandFailed() | LedgerError() | ArchiveError():
            return FailureExit(str(error))
        case OSError(filename=str(name), strerror=str(reason)):
            return FailureExit(f"{name}: {reason.lower()}")
        case UnicodeEncodeError(reason="surrogates not allowed"):  # an argument that was not UTF-8
            return RefusalExit(f"{error.object}: is not UTF-8")
    return _exit_for_redis(error) if isinstance(error, exceptions.RedisError) else None


def _exit_for_redis(error: exceptions.RedisError) -> FailureExit | None:
    if damage := damage_of(error):
        return FailureExit(f"{damage}; {RESTORE}")
    # The text of a Redis error may contain the address of Redis, and an address may contain a password.
    if is_transient(error):
        unnamed = cluster_trouble(error) or f"cannot be used now ({type(error).__name__})"
        reason = next((reason for kind, reason in _REDIS_REASONS.items() if isinstance(error, kind)), unnamed)
        return RefusalExit(f"Redis {reason}; run the same command again")
    return None


_REDIS_REASONS = {
    exceptions.ConnectionError: "closed the connection",
    exceptions.TimeoutError: "did not answer in time",
    exceptions.OutOfMemoryError: "has no memory left: raise its maxmemory",
    exceptions.ReadOnlyError: "has become a replica and cannot be written to",
}
