"""``dispatch callback-url``: the URL to which a provider posts delivery reports, for the provider's dashboard."""

import click

from producers.cli import CliContext, completion
from producers.cli.output import echo
from producers.errors import InputInvalid
from times_dispatch.settings.errors import closest
from times_dispatch.settings.load import Need

_STAND_IN = "********"


@click.command("callback-url")
@click.argument("name", shell_complete=completion.providers)
@click.option("--show-secret", is_flag=True, help="Print the whole URL and nothing else, to be pasted or piped.")
@click.pass_obj
def callback_url(options: CliContext, name: str, *, show_secret: bool) -> None:
    """Print the URL at which provider NAME posts its delivery reports.

    The last part of the URL is a secret: anybody who knows the secret can post reports. Only --show-secret prints it.
    """
    settings = options.settings(Need.CALLBACKS)
    if name not in settings.providers:
        raise InputInvalid(f"there is no provider {name}{closest(name, settings.providers)}")
    public_url = settings.callbacks.public_url
    if not public_url:
        raise InputInvalid(
            "[callbacks] public_url is not set: set it to the address at which the provider reaches the receiver, as "
            "in https://sms.example.com"
        )
    echo(f"{public_url.rstrip('/')}/callbacks/{settings.callback_secret if show_secret else _STAND_IN}")
    if not show_secret:
        echo("the last part of the URL is a secret: --show-secret prints it", err=True)
    if public_url.startswith("http:"):
        echo("warning: the URL is plain http, so that others can read the secret in transit; use https", err=True)
