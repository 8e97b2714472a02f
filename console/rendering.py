"""The templates of the pages, filled by Jinja2: every value is escaped, and invisible characters are shown."""

import hashlib
import re
from functools import cache
from importlib import resources
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from console.charts.bars import state_bar
from console.words import STATE_SIGNS, sender_state, state_class
from times_dispatch.ledger.campaigns.words import state_in_words
from times_dispatch.ledger.monitoring.heartbeats import program_version
from times_dispatch.ledger.states import UNSENT, MessageState
from times_dispatch.visible_text import visible, without_long_numbers

_DIGEST_LETTERS: Final = 10
_NAMED: Final = re.compile(r"\b(campaign|sender) ([0-9a-z]{8}|[A-Za-z]{3,6}|[0-9]{6})(?= \(|:)")


class Renderer:
    """Fills templates of the folder ``html``."""

    def __init__(self) -> None:
        self._environment = _environment()

    def render(self, template: str, **values: Any) -> str:
        """Return the text of a template.

        Args:
            template: its name in the folder ``html``.
            values: what the template uses.
        """
        return self._environment.get_template(template).render(**values)


@cache
def _environment() -> Environment:
    """Return the environment of all renderers of this process, with all templates compiled.

    Templates are compiled here, and not when a page is first opened: that would stall the other pages for up to 60 ms.
    """
    environment = Environment(
        loader=PackageLoader("console", "html"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters["sender_state"] = sender_state
    environment.filters["linked"] = linked
    environment.filters["masked"] = without_long_numbers
    environment.globals.update(
        asset=asset_path,
        version=program_version(),
        state_bar=state_bar,
        state_in_words=state_in_words,
        state_class=state_class,
        signs=STATE_SIGNS,
        done_states=",".join(state.label for state in MessageState if state not in UNSENT),
    )
    for name in environment.list_templates():
        environment.get_template(name)
    return environment


@cache
def asset_path(name: str) -> str:
    """Return the address of a file of the folder ``static``, which changes with the content of the file."""
    content = (resources.files("console") / "static" / name).read_bytes()
    return f"/static/{name}?v={hashlib.sha256(content).hexdigest()[:_DIGEST_LETTERS]}"


def linked(text: str) -> Markup:
    """Return a text in which the campaigns and senders that it names are links: ``campaign diwali01``."""
    pieces = _NAMED.split(visible(text))
    links = zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True)
    return escape(pieces[0]) + Markup("").join(
        Markup('{kind} <a href="/{kind}s/{name}">{name}</a>{rest}').format(kind=kind, name=name, rest=rest)
        for kind, name, rest in links
    )


def _shown(value: Any) -> Any:
    """Return a value for a page: foreign text must not change the direction of the text around it."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return visible(value)
    return "" if value is None else value
