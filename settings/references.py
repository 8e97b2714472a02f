"""What ties the tables of ``dispatch.toml`` together: names that must exist elsewhere in the file.

The checks read the file as parsed, not the validated model, so that they speak up beside mistakes of other kinds.
"""

from collections.abc import Iterator
from typing import Any

from settings.document import Document
from settings.mistakes import closest


def broken_references(document: Document) -> list[str]:
    """Name every sender, template and provider whose reference leads nowhere; parts of a wrong type are passed over."""
    providers, senders = _tables(document, "providers"), _tables(document, "senders")
    return [
        *_default_provider(document, providers),
        *_providers_of_senders(document, senders, providers),
        *_digits_are_promotional(document, senders),
        *_senders_of_templates(document, senders),
    ]


def default_provider(providers: dict[str, dict[str, Any]]) -> str:
    """Return the nickname of the default provider: the one so marked, or the only one; empty if there is none."""
    marked = [nickname for nickname, table in providers.items() if table.get("default") is True]
    candidates = marked or list(providers)
    return candidates[0] if len(candidates) == 1 else ""


def _tables(document: Document, name: str) -> dict[str, dict[str, Any]]:
    section = document.data.get(name)
    if not isinstance(section, dict):
        return {}
    return {key: table for key, table in section.items() if isinstance(table, dict)}


def _default_provider(document: Document, providers: dict[str, dict[str, Any]]) -> Iterator[str]:
    marked = [nickname for nickname, table in providers.items() if table.get("default") is True]
    for nickname in marked[1:]:
        reason = f"only one provider can be the default, and {marked[0]} is"
        yield document.mistake(("providers", nickname, "default"), reason)
    if document.data.get("providers") == {}:
        yield document.mistake(("providers",), "there is none; describe one as [providers.NICKNAME]")


def _providers_of_senders(
    document: Document, senders: dict[str, dict[str, Any]], providers: dict[str, dict[str, Any]]
) -> Iterator[str]:
    for header, table in senders.items():
        nickname = table.get("provider", "")
        if nickname and isinstance(nickname, str) and nickname not in providers:
            reason = f"there is no provider {nickname}{closest(nickname, providers)}"
            yield document.mistake(("senders", header, "provider"), reason)
        elif not nickname and providers and not default_provider(providers):
            reason = "is missing, and no provider is marked default = true"
            yield document.mistake(("senders", header, "provider"), reason)


def _digits_are_promotional(document: Document, senders: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Letters prove no category, but digits do (DOMAIN.md section 5)."""
    for header, table in senders.items():
        category = table.get("category")
        if header.isdigit() and category in ("transactional", "service", "government"):
            reason = f"a header of digits is promotional, and this says {category}"
            yield document.mistake(("senders", header, "category"), reason)


def _senders_of_templates(document: Document, senders: dict[str, dict[str, Any]]) -> Iterator[str]:
    for name, table in _tables(document, "templates").items():
        listed = table.get("senders", [])
        named: list[tuple[tuple[str | int, ...], Any]] = [(("sender",), table.get("sender"))]
        if isinstance(listed, list):
            named += [(("senders", position), header) for position, header in enumerate(listed)]
        for place, header in named:
            if header and isinstance(header, str) and header not in senders:
                reason = f"there is no sender {header}{closest(header, senders)}"
                yield document.mistake(("templates", name, *place), reason)
