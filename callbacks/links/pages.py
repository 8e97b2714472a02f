"""The pages of the links process, for people whose link leads nowhere, and for people who want to opt out."""

from typing import Final

_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex, nofollow">
<title>{title}</title>
<style>body{{font:18px/1.5 system-ui,sans-serif;max-width:34em;margin:15vh auto;padding:0 1em}}\
button{{font:inherit;padding:.6em 1.2em}}</style>
</head>
<body>
<h1>{title}</h1>
{content}
</body>
</html>
"""


def _page(title: str, content: str) -> bytes:
    return _PAGE.format(title=title, content=content).encode()


UNKNOWN: Final = _page("This link does not exist", "<p>Please check the link in your message.</p>")
EXPIRED: Final = _page("This link has expired", "<p>The offer of this link has ended.</p>")
UNAVAILABLE: Final = _page(
    "Please try again", "<p>This link cannot be opened at the moment. Please try again soon.</p>"
)


def ask_to_opt_out(header: str) -> bytes:
    """Return the page that asks a recipient once whether a sender shall send nothing more."""
    return _page(
        f"Stop messages from {header}?",
        '<p>You will get no more messages at this number.</p><form method="post"><button>Stop messages</button></form>',
    )


def opted_out(header: str) -> bytes:
    """Return the page after a recipient opted out."""
    return _page("Done", f"<p>You will get no more messages from {header}.</p>")
