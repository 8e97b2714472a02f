"""What commands print tables and bars on."""

from rich.console import Console

_WIDE = 200


def console() -> Console:
    """Return a console as wide as the terminal, or wide enough where a file or a program reads."""
    out = Console(highlight=False, soft_wrap=True)
    return out if out.is_terminal else Console(highlight=False, soft_wrap=True, width=_WIDE)
