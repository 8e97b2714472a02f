"""Completion in the shell: the campaigns and senders of the ledger, the templates and providers of the settings.

A completion prints nothing but its suggestions. If the ledger does not answer quickly, or the settings cannot be read,
there are no suggestions.
"""

import asyncio
import tomllib
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from times_dispatch.bounded_file import read_bounded_text
from times_dispatch.visible_text import visible

if TYPE_CHECKING:
    from redis.asyncio import Redis

_MAX_ENDED = 20
"""How many of the campaigns that ended are suggested: the newest ones."""


def campaigns(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Suggest ``last``, ids of live and of the newest ended campaigns, and, for a word that is begun, their names."""

    async def read(redis: "Redis") -> list[CompletionItem]:
        from times_dispatch.ledger.campaigns.words import state_in_words  # noqa: PLC0415  # slow to import
        from times_dispatch.ledger.queries import Queries  # noqa: PLC0415

        views, _ = await Queries(redis).live_and_ended(max_ended=_MAX_ENDED, damaged=[])
        items = [
            CompletionItem(str(view.id), help=f"{visible(view.plan.name)}: {state_in_words(view)}") for view in views
        ]
        if incomplete:
            items += [
                CompletionItem(name) for name in dict.fromkeys(view.plan.name for view in views) if _is_word(name)
            ]
        return [*items, CompletionItem("last", help="the campaign that was created last")]

    return [item for item in _from_ledger(ctx, read) if str(item.value).startswith(incomplete)]


def senders(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Suggest the senders of the settings and the senders that ever had a campaign."""

    async def read(redis: "Redis") -> list[CompletionItem]:
        from times_dispatch.ledger.queries import Queries  # noqa: PLC0415  # slow to import

        return [CompletionItem(str(name)) for name in await Queries(redis).senders()]

    known = (str(item.value) for item in _from_ledger(ctx, read))
    return _beginning_with(incomplete, [*_tables(_settings_path(ctx), "senders"), *known])


def templates(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Suggest the templates of the settings and of the registry file."""
    path = _settings_path(ctx)
    names = list(_tables(path, "templates"))
    registry = _tables(path, "registry").get("templates")
    if isinstance(registry, str) and registry:
        names += _tables(path.parent / registry, "templates")
    return _beginning_with(incomplete, names)


def providers(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Suggest the providers of the settings."""
    return _beginning_with(incomplete, _tables(_settings_path(ctx), "providers"))


def _from_ledger(
    ctx: click.Context, read: Callable[["Redis"], Awaitable[list[CompletionItem]]]
) -> list[CompletionItem]:
    """Return suggestions from the ledger; return none if the ledger cannot be used or is slow."""
    from redis.exceptions import RedisError  # noqa: PLC0415  # slow to import

    from producers.cli import CliContext  # noqa: PLC0415
    from times_dispatch.ledger.connection import RedisUnavailable, connect  # noqa: PLC0415
    from times_dispatch.settings import env_file  # noqa: PLC0415
    from times_dispatch.settings.errors import SettingsInvalid  # noqa: PLC0415

    settings = _settings_path(ctx)
    root = ctx.find_root()
    options = CliContext(settings, root.params.get("redis_url"), **(root.obj or {}))
    timeout_s = options.timeouts.completion_s

    async def ask() -> list[CompletionItem]:
        async with asyncio.timeout(timeout_s):
            async with connect(options.ledger_url(), socket_timeout_s=timeout_s, retries=0) as redis:
                return await read(redis)

    with suppress(RedisError, RedisUnavailable, SettingsInvalid, OSError, ValueError):
        # A pipe may give nothing for a long time.
        if (settings.parent / env_file.NAME).is_fifo() or (settings.exists() and not settings.is_file()):
            return []
        return asyncio.run(ask())
    return []


def _settings_path(ctx: click.Context) -> Path:
    # A completion parses the options before the command, but does not call main() with them.
    return Path(ctx.find_root().params.get("settings_path") or "dispatch.toml")


def _tables(path: Path, section: str) -> dict[str, Any]:
    """Return a section of a TOML file, however wrong the settings are; empty if there is none."""
    with suppress(OSError, ValueError):
        if path.is_file():
            tables = tomllib.loads(read_bounded_text(path)).get(section)
            return tables if isinstance(tables, dict) else {}
    return {}


def _beginning_with(incomplete: str, names: Iterable[str]) -> list[CompletionItem]:
    return [CompletionItem(name) for name in sorted(set(names)) if name.startswith(incomplete) and _is_word(name)]


def _is_word(name: str) -> bool:
    """Return whether a shell takes a name as one word, and shows it as it is."""
    return name == visible(name) and not any(letter.isspace() or letter in "\"'\\$`!&;|<>()*?[]{}~#" for letter in name)
