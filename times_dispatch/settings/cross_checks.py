"""Checks across the tables of ``dispatch.toml``: references, default provider, hours and prices.

The checks of references read the parsed file instead of the validated model, so that they report mistakes even in a
file with mistakes of other kinds. These checks ignore values of a wrong type.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from times_dispatch.ledger.lanes.shares import MIN_RATE_PER_LANE, too_low
from times_dispatch.settings.errors import closest
from times_dispatch.settings.model import CallbackSettings
from times_dispatch.settings.prices import categories_of, price
from times_dispatch.settings.sender_window import send_window
from times_dispatch.settings.tables.senders import CategorySettings, SenderSettings
from times_dispatch.settings.tables.templates import TemplateSettings
from times_dispatch.settings.toml.document import Document
from times_dispatch.settings.toml.strict_table import TomlPath
from times_dispatch.sms.rules import headers
from times_dispatch.sms.rules.categories import CATEGORIES, Category

_ANY_ADDRESS: Final = frozenset({"127.0.0.1", "localhost", "::1", "[::1]", "0.0.0.0", "::", "[::]"})  # noqa: S104


def broken_references(document: Document) -> list[str]:
    """Return a mistake for each unknown name in the references of senders, templates and providers."""
    providers, senders = _tables(document, "providers"), _tables(document, "senders")
    return [
        *_default_provider_mistakes(document, providers),
        *_unknown_providers(document, senders, providers),
        *_digits_not_promotional(document, senders),
        *_caps_without_any_price(document, senders),
        *broken_template_references(document, senders),
    ]


def broken_template_references(document: Document, senders: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Yield a mistake for each unknown sender, and each impossible category, in the templates of a file.

    Args:
        document: ``dispatch.toml`` or the registry file.
        senders: the tables of senders in ``dispatch.toml``, as parsed.
    """
    for name, table in _tables(document, "templates").items():
        listed = table.get("senders", [])
        references: list[tuple[TomlPath, Any]] = [(("sender",), table.get("sender"))]
        if isinstance(listed, list):
            references += [(("senders", index), header) for index, header in enumerate(listed)]
        for path, header in references:
            if not header or not isinstance(header, str):
                continue
            if header not in senders:
                reason = f"there is no sender {header}{closest(header, senders)}"
                yield document.mistake(("templates", name, *path), reason)
            elif (category := table.get("category")) in CATEGORIES and headers.category_problem(header, category):
                reason = f"{header} is a header of digits, which is promotional, not {category}"
                yield document.mistake(("templates", name, "category"), reason)


def invalid_allowed_templates(
    document: Document, senders: Mapping[str, SenderSettings], templates: Mapping[str, TemplateSettings]
) -> Iterator[str]:
    """Yield a mistake for each template in a sender's list that is unknown or not registered for the sender."""
    for header, sender in senders.items():
        for index, name in enumerate(sender.templates):
            path = ("senders", header, "templates", index)
            if name not in templates:
                yield document.mistake(path, f"there is no template {name}{closest(name, templates)}")
            elif header not in templates[name].headers:
                registered = ", ".join(templates[name].headers)
                yield document.mistake(path, f"{name} is not registered for {header}, only for {registered}")


def windows_never_open(
    document: Document, senders: Mapping[str, SenderSettings], categories: Mapping[Category, CategorySettings]
) -> Iterator[str]:
    """Yield a mistake for each sender whose window has no minute in common with the window of its category."""
    for header, sender in senders.items():
        window = send_window(sender, sender.category, categories)
        if window.is_never_open:
            of_category = send_window(sender.model_copy(update={"window": None}), sender.category, categories)
            reason = f"is never open while {sender.category} messages may be sent, {of_category}"
            yield document.mistake(("senders", header, "window"), reason)


def caps_without_price(
    document: Document,
    senders: Mapping[str, SenderSettings],
    templates: Mapping[str, TemplateSettings],
    categories: Mapping[Category, CategorySettings],
) -> Iterator[str]:
    """Yield a mistake for each sender with a cap in money and a template whose category has no price."""
    for header, sender in senders.items():
        others = categories_of(header, sender, templates) - {sender.category}
        for category in sorted(others) if sender.max_money_per_day else ():
            if price(sender, category, categories) is None:
                reason = f"needs a price: price_per_part here, or in [categories.{category}] for a template of its own"
                yield document.mistake(("senders", header, "max_money_per_day"), reason)


def impossible_lanes(document: Document, senders: Mapping[str, SenderSettings]) -> Iterator[str]:
    """Yield a mistake for each sender whose lanes contradict its other settings."""
    for header, sender in senders.items():
        if sender.lanes == 1:
            continue
        reason = ""
        if sender.max_parts_per_day or sender.max_money_per_day:
            reason = "cannot go with a daily cap (max_parts_per_day, max_money_per_day)"
        elif too_low(sender.rate_per_s, sender.lanes):
            least = MIN_RATE_PER_LANE * sender.lanes
            reason = f"needs a rate_per_s of at least {least:g} ({MIN_RATE_PER_LANE:g} for each lane), or none"
        if reason:
            yield document.mistake(("senders", header, "lanes"), reason)


def relay_to_receiver(document: Document, callbacks: CallbackSettings) -> Iterator[str]:
    """Yield a mistake for each URL at which reports would be posted to the receiver itself, in an endless loop."""
    for name, url in (("relay_url", callbacks.relay_url), ("forward_url", callbacks.forward_url)):
        if url and _is_receiver(url, callbacks):
            reason = "is the address of the receiver itself: reports would be posted in an endless loop"
            yield document.mistake(("callbacks", name), reason)


def _is_receiver(url: str, callbacks: CallbackSettings) -> bool:
    host, _, port = callbacks.listen.rpartition(":")
    listens_at = _ANY_ADDRESS if host in _ANY_ADDRESS else {host.strip("[]")}
    relay = urlsplit(url)
    if relay.hostname in listens_at and _port(relay) == int(port):
        return True
    public = urlsplit(callbacks.public_url)
    return (
        bool(callbacks.public_url)
        and (relay.hostname, _port(relay)) == (public.hostname, _port(public))
        and relay.path.startswith(f"{public.path.rstrip('/')}/callbacks/")
    )


def _port(url: SplitResult) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def duplicate_defaults(document: Document, nickname: str) -> Iterator[str]:
    """Yield a mistake if a provider and another provider are both marked as the default."""
    marked = _marked(_tables(document, "providers"))
    others = [other for other in marked if other != nickname]
    if nickname in marked and others:
        reason = f"only one provider can be the default, and {others[0]} is"
        yield document.mistake(("providers", nickname, "default"), reason)


def default_provider(providers: dict[str, dict[str, Any]]) -> str:
    """Return the nickname of the provider that is marked as the default, or of the only provider; otherwise empty."""
    candidates = _marked(providers) or list(providers)
    return candidates[0] if len(candidates) == 1 else ""


def _marked(providers: dict[str, dict[str, Any]]) -> list[str]:
    return [nickname for nickname, table in providers.items() if table.get("default") is True]


def _tables(document: Document, name: str) -> dict[str, dict[str, Any]]:
    section = document.data.get(name)
    if not isinstance(section, dict):
        return {}
    return {key: table for key, table in section.items() if isinstance(table, dict)}


def _default_provider_mistakes(document: Document, providers: dict[str, dict[str, Any]]) -> Iterator[str]:
    for nickname in _marked(providers)[1:]:
        yield from duplicate_defaults(document, nickname)
    if document.data.get("providers") == {}:
        yield document.mistake(("providers",), "there is none; describe one as [providers.NICKNAME]")


def _unknown_providers(
    document: Document, senders: dict[str, dict[str, Any]], providers: dict[str, dict[str, Any]]
) -> Iterator[str]:
    for header, table in senders.items():
        chain = table.get("provider", "")
        references: list[tuple[TomlPath, Any]] = [(("provider",), chain)]
        if isinstance(chain, list):
            references = [(("provider", index), nickname) for index, nickname in enumerate(chain)]
        for path, nickname in references:
            if nickname and isinstance(nickname, str) and nickname not in providers:
                reason = f"there is no provider {nickname}{closest(nickname, providers)}"
                yield document.mistake(("senders", header, *path), reason)
        if not chain and providers and not default_provider(providers):
            reason = "is missing, and no provider is marked default = true"
            yield document.mistake(("senders", header, "provider"), reason)


def _digits_not_promotional(document: Document, senders: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Yield a mistake for each header of digits with another category than promotional (docs/domain.md section 5)."""
    for header, table in senders.items():
        category = table.get("category")
        if category in CATEGORIES and (reason := headers.category_problem(header, category)):
            yield document.mistake(("senders", header, "category"), reason)


def _caps_without_any_price(document: Document, senders: dict[str, dict[str, Any]]) -> Iterator[str]:
    categories = _tables(document, "categories")
    for header, table in senders.items():
        category = categories.get(str(table.get("category")), {})
        if "max_money_per_day" in table and "price_per_part" not in table and "price_per_part" not in category:
            reason = f"needs a price: price_per_part here, or in [categories.{table.get('category')}]"
            yield document.mistake(("senders", header, "max_money_per_day"), reason)
