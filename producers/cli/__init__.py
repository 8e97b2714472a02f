"""The ``dispatch`` command line: one file for each command, imported only when it runs.

A command is thin: it reads its options, calls one function and shows what came back. Whatever stops it ends here, as
one line on stderr and an exit code: 1 it failed, 2 wrong usage, bad input, or Redis away.
"""

import os
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from times_dispatch.settings.load import Need
    from times_dispatch.settings.model import Settings

COMMANDS = {
    "check": ("producers.cli.check:check", "Check a campaign and its recipients, and send nothing."),
    "submit": ("producers.cli.submit:submit", "Check a campaign and its recipients, and send it."),
    "list": ("producers.cli.list:list_", "List all campaigns."),
    "show": ("producers.cli.show:show", "Show where every message of a campaign stands."),
    "watch": ("producers.cli.watch:watch", "Watch a campaign's progress, live."),
    "pause": ("producers.cli.control:pause", "Hold a campaign."),
    "resume": ("producers.cli.control:resume", "Let a campaign go on."),
    "cancel": ("producers.cli.control:cancel", "Stop a campaign for good."),
    "budget": ("producers.cli.control:budget", "Raise or lower what a campaign may cost."),
    "resolve": ("producers.cli.control:resolve", "Decide about messages in doubt."),
    "sender": ("producers.cli.senders:sender", "Look at senders; change their rate; pause and resume them."),
    "optout": ("producers.cli.optout:optout", "Keep the list of numbers that must not be sent to."),
    "template": ("producers.cli.template:template", "Import, list and check the texts registered with the DLT."),
    "provider": ("producers.cli.provider:provider", "List providers; check how they are set up."),
    "send-test": ("producers.cli.send_test:send_test", "Send one message to one number, and show the exchange."),
    "callback-url": ("producers.cli.callback_url:callback_url", "Print the URL to paste into a provider's dashboard."),
    "reports": ("producers.cli.reports:reports", "Look at reports that were set aside; try them again."),
    "sandbox": ("times_dispatch.sandbox.command:sandbox", "Stand in for Times Mobile."),
}
"""Name: where it is, and what ``dispatch --help`` says of it."""


@dataclass(frozen=True)
class CliContext:
    """The options that stand before the command."""

    settings_path: Path
    redis_url: str | None

    def settings(self, need: "frozenset[Need]") -> "Settings":
        """Load the settings; raise SettingsInvalid with all mistakes."""
        from times_dispatch.settings.load import load  # noqa: PLC0415  # not for --help

        variables = dict(os.environ)
        if self.redis_url:
            variables.pop("DISPATCH_REDIS_URL_FILE", None)
            variables["DISPATCH_REDIS_URL"] = self.redis_url
        return load(self.settings_path, variables, need=need)


class Commands(click.Group):
    """Imports a command when it is called, and turns what stops it into a line and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """Name the commands in the order in which they are met."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)  # noqa: S101  # for the type checker
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            from producers.cli.exit_codes import failure  # noqa: PLC0415  # imports Redis, which --help can do without

            if stopped := failure(error):
                raise stopped from error
            raise


@click.command(cls=Commands)
@click.version_option(package_name="times-dispatch", prog_name="dispatch")
@click.option(
    "--settings",
    "settings_path",
    type=click.Path(path_type=Path),
    envvar="DISPATCH_SETTINGS",
    default="dispatch.toml",
    show_default=True,
    show_envvar=True,
    help="Providers, senders and templates.",
)
@click.option("--redis-url", help="The ledger's address; goes before DISPATCH_REDIS_URL.")
@click.pass_context
def main(ctx: click.Context, settings_path: Path, redis_url: str | None) -> None:
    """Send bulk SMS campaigns through Times Mobile: never twice, never lost."""
    ctx.obj = CliContext(settings_path, redis_url)
