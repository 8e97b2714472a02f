"""A valid settings file and its environment variables, for tests that change one setting or variable."""

from collections.abc import Callable

from times_dispatch.settings.model import Settings

SETTINGS_FILE = """\
[providers.timesmobile]
preset = "timesmobile-post"

[senders.TIMESM]
category = "service"
entity_id = "1201159134572839402"

[templates.order-shipped]
sender = "TIMESM"
content_id = "1207161786534401928"
text = "Your order {#var#} is on its way."
"""

VARIABLES = {
    "DISPATCH_REDIS_URL": "redis://127.0.0.1:6379/0",
    "DISPATCH_ID_KEY": "0123456789abcdef",
    "DISPATCH_CALLBACK_SECRET": "guess-me-if-you-can",
    "DISPATCH_PROVIDER_TIMESMOBILE_USERNAME": "shop",
    "DISPATCH_PROVIDER_TIMESMOBILE_PASSWORD": "hunter2",
}

Loader = Callable[..., Settings]
"""Loads a settings file with this text, and ``VARIABLES`` with these changes; None removes a variable."""

Mistakes = Callable[..., list[str]]
"""Loads settings that are not valid, and returns the mistakes; the arguments are those of ``Load``."""


def with_sender(*lines: str) -> str:
    """Return the file with these lines in its sender's table, from line 6 on."""
    return SETTINGS_FILE.replace('category = "service"\n', "\n".join(('category = "service"', *lines)) + "\n")


def with_template(*lines: str) -> str:
    """Return the file with these lines in its template's table, from line 12 on."""
    return SETTINGS_FILE + "\n".join(lines) + "\n"
