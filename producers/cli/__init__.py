"""The ``dispatch`` command line: a file for each command or group of commands, imported only when the command runs.

A command reads its options, calls one function of another package, and prints the result. Every error of a command
arrives here and becomes a message on stderr and an exit code: 1 for a failure, 2 for wrong usage, bad input, or a Redis
that is unavailable. Terms are explained in docs/glossary.md.
"""

import errno
import gc
import getpass
import os
import secrets
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import import_module
from io import BufferedWriter, FileIO, TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from times_dispatch.visible_text import visible

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer
    from click.shell_completion import CompletionItem

    from times_dispatch.settings.load import Need
    from times_dispatch.settings.model import Settings

COMMANDS = {
    "init": ("producers.cli.init:init", "Make a folder with settings, secrets, a campaign and recipients."),
    "doctor": ("producers.cli.doctor:doctor", "Check settings, providers, templates and running processes."),
    "check": ("producers.cli.check:check", "Check a campaign and its recipients, and send nothing."),
    "submit": ("producers.cli.submit:submit", "Check a campaign and its recipients, and send it."),
    "status": ("producers.cli.status:status", "Show whether all processes run, and what to do if not."),
    "list": ("producers.cli.list:list_", "List all campaigns."),
    "show": ("producers.cli.show:show", "Show where every message of a campaign stands."),
    "stats": ("producers.cli.stats:stats", "Show statistics of messages, by day, sender, provider or template."),
    "report": ("producers.cli.report:report", "Write one row for each message of campaigns to a file."),
    "number": ("producers.cli.number:number", "Show everything that is known about a phone number."),
    "watch": ("producers.cli.watch:watch", "Watch a campaign's progress, live."),
    "pause": ("producers.cli.control:pause", "Pause a campaign."),
    "resume": ("producers.cli.control:resume", "Resume a campaign."),
    "cancel": ("producers.cli.control:cancel", "Cancel a campaign."),
    "budget": ("producers.cli.control:budget", "Change how many SMS parts a campaign may use."),
    "resolve": ("producers.cli.control:resolve", "Decide about messages in doubt."),
    "resend": ("producers.cli.resend:resend", "Send chosen messages of a campaign once more, as a new campaign."),
    "sender": ("producers.cli.senders:sender", "List, pause and resume senders; change their rate."),
    "optout": ("producers.cli.optout:optout", "Manage the list of numbers that must get no messages."),
    "template": ("producers.cli.template:template", "Import, list and check templates registered with the DLT."),
    "provider": ("producers.cli.provider:provider", "List providers; check their settings."),
    "send-test": ("producers.cli.send_test:send_test", "Send one message to one number, and show the exchange."),
    "callback-url": ("producers.cli.callback_url:callback_url", "Print the URL to paste into a provider's dashboard."),
    "archive": ("producers.cli.archive:archive", "Archive old campaigns; list, verify and erase archives."),
    "forget": ("producers.cli.forget:forget", "Forget a phone number: it gets no message, and its data is deleted."),
    "console": ("producers.cli.console:console", "Manage the users of the console."),
    "audit": ("producers.cli.audit:audit", "List who changed what, and when."),
    "alerts": ("producers.cli.alerts:alerts", "List open alerts; send a test message to their targets."),
    "complaints": ("producers.cli.complaints:complaints", "Record complaints about senders, which alerts count."),
    "reports": ("producers.cli.reports:reports", "List reports that could not be used; try them again."),
    "sandbox": ("times_dispatch.sandbox.command:sandbox", "Run a server that behaves like Times Mobile, for tests."),
}
"""The module and attribute of each command, and its line in ``dispatch --help``."""

_MAX_SUMMARY = 1_000
"""The limit of characters for a command's first sentence in the help of its group; every sentence is shorter."""
_OUTPUT_ERRORS = {errno.ENOSPC, errno.EPIPE, errno.EIO}
"""The errors of a write to stdout: a full device, a reader that has gone, a lost terminal."""


@dataclass(frozen=True)
class CliTimeouts:
    """How long commands wait, in seconds. Only tests pass other values."""

    answer_s: float = 2.0
    """After this time without an answer of Redis, a command ends with a message; a long command prints it and waits."""
    completion_s: float = 0.3
    """A completion makes no suggestions if Redis does not answer within this time."""
    tell_silence_after_s: float = 2.25
    """After this time, a command that asks several nodes or sentinels in turn prints that it waits for Redis."""
    look_interval_s: float = 0.5
    """The time between two checks of a long command whether Redis answers."""
    reconnect_s: float = 20.0
    """How long a long command waits for a hanging Redis when it connects again: about as long as a call waits."""
    watch_s: float = 60.0
    """After this time without an answer of Redis, ``dispatch watch`` ends."""
    pushes_s: float = 60.0
    """How long ``dispatch forget`` waits for pushes and reports that are under way."""


TIMEOUTS = CliTimeouts()


@dataclass(frozen=True)
class CliContext:
    """The options before the command, such as ``dispatch --settings FILE submit``."""

    settings_path: Path
    redis_url: str | None
    actor: str = ""
    """The name in the trail of the person who runs the command: ``user@host``, or the value of DISPATCH_ACTOR."""
    random_below: Callable[[int], int] = secrets.randbelow
    """Chooses the index of a test message."""
    timeouts: CliTimeouts = TIMEOUTS
    notes: set[str] = field(default_factory=set)
    """The notes that were printed, so that each is printed once."""
    ignored: list[str] = field(default_factory=list)
    """Mistakes that do not matter, because the environment has every variable that the command needs."""

    def settings(self, *needs: "Need") -> "Settings":
        """Load the settings; every command loads them here.

        Args:
            needs: the secrets and addresses that must be set; if there are none, only the file itself must be valid.

        Raises:
            SettingsInvalid: with every mistake.
        """
        from times_dispatch.settings.load import load  # noqa: PLC0415  # slow to import, and --help does without

        return load(self.settings_path, self.variables(), need=frozenset(needs))

    def ledger_url(self) -> str:
        """Return the address of the ledger, from the environment alone.

        Mistakes in the settings file and in other variables are ignored.

        Raises:
            SettingsInvalid: the address, or the password of Redis, is missing or cannot be used.
        """
        from times_dispatch.settings.environment import Environment, read_redis_url  # noqa: PLC0415  # as above
        from times_dispatch.settings.errors import SettingsInvalid  # noqa: PLC0415

        environment = Environment(self.variables(needed="DISPATCH_REDIS_"))
        url = read_redis_url(environment, is_needed=True)
        if environment.mistakes:  # the unreadable .env may have the missing variable
            raise SettingsInvalid([*self.ignored, *environment.mistakes])
        return url

    def archive_keys(self) -> tuple[bytes, bytes]:
        """Return the key of the archive and the old one, from the environment alone; empty if they are not set.

        Raises:
            SettingsInvalid: a key cannot be used.
        """
        from times_dispatch.settings.environment import Environment, read_archive_keys  # noqa: PLC0415  # as above
        from times_dispatch.settings.errors import SettingsInvalid  # noqa: PLC0415

        environment = Environment(self.variables(needed="DISPATCH_ARCHIVE_"))
        keys = read_archive_keys(environment, is_needed=False)
        if environment.mistakes:
            raise SettingsInvalid(environment.mistakes)
        return keys

    def forget_key(self) -> bytes:
        """Return the key by which forgotten numbers are known, from the environment alone; empty if it is not set.

        Raises:
            SettingsInvalid: the key cannot be used.
        """
        from times_dispatch.settings.environment import Environment, read_forget_key  # noqa: PLC0415  # as above
        from times_dispatch.settings.errors import SettingsInvalid  # noqa: PLC0415

        environment = Environment(self.variables(needed="DISPATCH_FORGET_"))
        key = read_forget_key(environment)
        if environment.mistakes:
            raise SettingsInvalid(environment.mistakes)
        return key

    def variables(self, *, needed: str | tuple[str, ...] = "") -> dict[str, str]:
        """Return the variables of the environment and of ``.env``, with the address of Redis that an option gives.

        A mistake of ``.env`` in a variable whose name does not begin with *needed* is ignored. A ``.env`` that cannot
        be read is ignored as well, if the environment has a variable whose name begins with *needed*.

        Raises:
            SettingsInvalid: ``.env`` cannot be read, or has a mistake.
        """
        from times_dispatch.settings.env_file import EnvFileUnreadable, with_env_file  # noqa: PLC0415  # slow to import

        variables = dict(os.environ)
        if self.redis_url:
            variables.pop("DISPATCH_REDIS_URL_FILE", None)
            variables["DISPATCH_REDIS_URL"] = self.redis_url
        try:
            return with_env_file(variables, self.settings_path, needed=needed)
        except EnvFileUnreadable as unreadable:
            if not needed or not any(value and name.startswith(needed) for name, value in variables.items()):
                raise
            self.ignored.append(unreadable.mistakes[0])
            return variables


@contextmanager
def _visible_messages() -> Iterator[None]:
    """Show control characters in click's own messages as escapes: the messages repeat arguments, such as file names."""
    try:
        yield
    except click.UsageError as error:
        error.message = visible(error.message)  # type: ignore[misc]  # the stubs say that it is final
        raise


class CommandGroup(click.Group):
    """A group of commands whose help shows the first sentence of each command whole."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands; click itself would cut each line after 45 characters."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(
                [
                    (name, command.get_short_help_str(_MAX_SUMMARY))
                    for name, command in commands
                    if command and not command.hidden
                ]
            )


class _LossyFile(FileIO):
    """A file whose writes never fail: bytes that cannot be written are lost."""

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write bytes; return how many were written or lost."""
        written = None  # also the result if a pipe that does not block is full
        with suppress(OSError):
            written = super().write(data)
        return len(memoryview(data).cast("B")) if written is None else written


class Commands(click.Group):
    """Imports a command when it is called, and turns its errors into messages and exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """List the commands in the order in which a user meets them, not in alphabetical order."""
        return [*COMMANDS]  # no list(): once the module of the command list is imported, the name means this module

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the module of a command and return the command; None if there is no such command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        gc.disable()  # during an import the garbage collector takes time and frees nothing
        try:
            command = getattr(import_module(module), attribute)
        finally:
            gc.freeze()
            gc.enable()
        assert isinstance(command, click.Command)  # noqa: S101  # for the type checker
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of the arguments; name the most similar command if there is none."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from times_dispatch.similar_names import similar_name  # noqa: PLC0415  # only a mistake needs it

            if similar := similar_name(args[0], COMMANDS):
                error.message += f" Did you mean {similar}?"  # type: ignore[misc]  # the stubs say that it is final
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Suggest the commands without importing them, and the options before a command."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415  # only a shell's completion needs it

        commands = [
            CompletionItem(name, help=summary) for name, (_, summary) in COMMANDS.items() if name.startswith(incomplete)
        ]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command line; end with a line and exit code 1 if stdout cannot be written, for instance /dev/full.

        Where the caller has closed stdin, stdout or stderr (``<&- >&-``), the command runs without them. They are
        opened in the order of their numbers, so that no connection gets one of these numbers, which libuv does not
        allow. A note that cannot be written to stderr, for instance to a log file on a full disk, stops no command.
        """
        for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
            if getattr(sys, name) is None:
                setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115  # for the whole process
        if isinstance(sys.stderr, TextIOWrapper) and sys.stderr is sys.__stderr__:
            writer = BufferedWriter(_LossyFile(sys.stderr.fileno(), "w", closefd=False))
            sys.stderr = TextIOWrapper(writer, sys.stderr.encoding, sys.stderr.errors, line_buffering=True)
        try:
            try:
                return super().main(*args, **kwargs)
            finally:
                sys.stdout.flush()
        except OSError as error:
            if error.filename is not None or error.errno not in _OUTPUT_ERRORS:
                raise
            # Python flushes stdout once more at the end of the process, and must not fail again there.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            if error.errno != errno.EPIPE:
                sys.stderr.write(f"the output cannot be written: {(error.strerror or 'unknown reason').lower()}\n")
            sys.exit(1)

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read the options before the command; a message about a wrong option shows control characters as escapes."""
        with _visible_messages():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and end it with a message and an exit code if it raises a known error."""
        try:
            with _visible_messages():
                return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            # All commands pass through this place, so that no command has an exit code of its own. An error that is a
            # fault of the program is raised again, and ends in a traceback.
            from producers.cli.exit_codes import exit_for  # noqa: PLC0415  # imports Redis, and --help does without

            if known := exit_for(error):
                raise known from error
            raise


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="times-dispatch", prog_name="dispatch")
@click.option(
    "--settings",
    "settings_path",
    type=click.Path(path_type=Path, readable=False),
    envvar="DISPATCH_SETTINGS",
    default="dispatch.toml",
    show_default=True,
    show_envvar=True,
    help="The settings file: providers, senders and templates.",
)
@click.option("--redis-url", help="The ledger's address; overrides DISPATCH_REDIS_URL.")
@click.option(
    "--actor",
    envvar="DISPATCH_ACTOR",
    default="",
    show_envvar=True,
    help="Your name in the trail, the list of changes. [default: user@host]",
)
@click.pass_context
def main(ctx: click.Context, settings_path: Path, redis_url: str | None, actor: str) -> None:
    """Send bulk SMS campaigns through Times Mobile: never twice, never lost."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal without Indian letters gets escapes, not a traceback
            stream.reconfigure(errors="backslashreplace")
    if ctx.invoked_subcommand == "sandbox":
        ctx.default_map = {"sandbox": _sandbox_options(settings_path)}
    # A test passes other fields of the context, for instance short timeouts, in click's ``obj``.
    ctx.obj = CliContext(settings_path, redis_url, actor or _user_at_host(), **(ctx.obj or {}))


def _sandbox_options(settings_path: Path) -> dict[str, str]:
    """Return the options of the sandbox that stand in ``.env``."""
    from times_dispatch.settings.env_file import with_env_file  # noqa: PLC0415  # slow to import

    prefix = "SANDBOX_"
    variables = with_env_file({}, settings_path)
    return {name.removeprefix(prefix).lower(): value for name, value in variables.items() if name.startswith(prefix)}


def _user_at_host() -> str:
    """Return the user who runs this process, with the host; behind sudo, the user who called sudo."""
    try:
        user = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that has no name
        user = f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown"
    return f"{user}@{socket.gethostname()}"
