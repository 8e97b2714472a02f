"""The templates of the pages, filled by Jinja2: every value is escaped, and invisible characters are shown."""

import hashlib
from functools import cache
from importlib import resources
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from console.charts.bars import state_bar
from console.words import STATE_SIGNS, sender_state, state_class
from times_dispatch.ledger.campaign_words import state_in_words
from times_dispatch.ledger.heartbeats import program_version
from times_dispatch.visible_text import visible

_DIGEST_LETTERS: Final = 10


class Renderer:
    """Fills templates of the folder ``html``."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=PackageLoader("console", "html"),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_shown,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters["sender_state"] = sender_state
        self._environment.globals.update(
            asset=asset_path,
            version=program_version(),
            state_bar=state_bar,
            state_in_words=state_in_words,
            state_class=state_class,
            signs=STATE_SIGNS,
        )

    def render(self, template: str, **values: Any) -> str:
        """Return the text of a template.

        Args:
            template: its name in the folder ``html``.
            values: what the template uses.
        """
        return self._environment.get_template(template).render(**values)


@cache
def asset_path(name: str) -> str:
    """Return the address of a file of the folder ``static``, which changes with the content of the file."""
    content = (resources.files("console") / "static" / name).read_bytes()
    return f"/static/{name}?v={hashlib.sha256(content).hexdigest()[:_DIGEST_LETTERS]}"


def _shown(value: Any) -> Any:
    """Return a value for a page: foreign text must not steer the direction of the text around it."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return visible(value)
    return "" if value is None else value
