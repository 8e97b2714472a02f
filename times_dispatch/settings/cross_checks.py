"""What ties the tables of ``dispatch.toml`` together: names that must exist elsewhere in the file.

The checks read the file as parsed, not the validated model, so that they speak up beside mistakes of other kinds.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from times_dispatch.settings.document import Document
from times_dispatch.settings.errors import closest
from times_dispatch.settings.hours import hours
from times_dispatch.settings.prices import categories_of, price
from times_dispatch.settings.senders import CategorySettings, Sender
from times_dispatch.settings.templates import TemplateSettings
from times_dispatch.sms.rules import headers
from times_dispatch.sms.rules.categories import CATEGORIES, Category


def broken_references(document: Document) -> list[str]:
    """Name every sender, template and provider whose reference leads nowhere; parts of a wrong type are passed over."""
    providers, senders = _tables(document, "providers"), _tables(document, "senders")
    return [
        *_default_provider(document, providers),
        *_providers_of_senders(document, senders, providers),
        *_digits_are_promotional(document, senders),
        *_without_price(document, senders),
        *broken_template_references(document, senders),
    ]


def broken_template_references(document: Document, senders: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Name what the templates of a file (dispatch.toml, or the registry) say of senders that are not so."""
    for name, table in _tables(document, "templates").items():
        listed = table.get("senders", [])
        named: list[tuple[tuple[str | int, ...], Any]] = [(("sender",), table.get("sender"))]
        if isinstance(listed, list):
            named += [(("senders", position), header) for position, header in enumerate(listed)]
        for place, header in named:
            if not header or not isinstance(header, str):
                continue
            if header not in senders:
                reason = f"there is no sender {header}{closest(header, senders)}"
                yield document.mistake(("templates", name, *place), reason)
            elif (category := table.get("category")) in CATEGORIES and headers.category_problem(header, category):
                reason = f"{header} is a header of digits, which is promotional, and this says {category}"
                yield document.mistake(("templates", name, "category"), reason)


def broken_allowances(
    document: Document, senders: Mapping[str, Sender], templates: Mapping[str, TemplateSettings]
) -> Iterator[str]:
    """Name the templates that senders are allowed and that do not exist or are not registered for them."""
    for header, sender in senders.items():
        for position, name in enumerate(sender.templates):
            place = ("senders", header, "templates", position)
            if name not in templates:
                yield document.mistake(place, f"there is no template {name}{closest(name, templates)}")
            elif header not in templates[name].headers:
                registered = ", ".join(templates[name].headers)
                yield document.mistake(place, f"{name} is not registered for {header}, only for {registered}")


def shut_windows(
    document: Document, senders: Mapping[str, Sender], categories: Mapping[Category, CategorySettings]
) -> Iterator[str]:
    """Name the senders whose hours never meet those of their category."""
    for header, sender in senders.items():
        allowed = hours(sender, sender.category, categories)
        if allowed.never:
            always = hours(sender.model_copy(update={"window": None}), sender.category, categories)
            reason = f"is never open while {sender.category} messages may be sent, {always}"
            yield document.mistake(("senders", header, "window"), reason)


def unpriced_caps(
    document: Document,
    senders: Mapping[str, Sender],
    templates: Mapping[str, TemplateSettings],
    categories: Mapping[Category, CategorySettings],
) -> Iterator[str]:
    """Name the senders with a cap in money whose templates go as a category that has no price."""
    for header, sender in senders.items():
        others = categories_of(header, sender, templates) - {sender.category}
        for category in sorted(others) if sender.max_money_per_day else ():
            if price(sender, category, categories) is None:
                reason = f"needs a price: price_per_part here, or in [categories.{category}] for a template of its own"
                yield document.mistake(("senders", header, "max_money_per_day"), reason)


def second_default(document: Document, nickname: str) -> Iterator[str]:
    """Say that a provider that is marked as the default is not the only one."""
    marked = _marked(_tables(document, "providers"))
    others = [other for other in marked if other != nickname]
    if nickname in marked and others:
        reason = f"only one provider can be the default, and {others[0]} is"
        yield document.mistake(("providers", nickname, "default"), reason)


def default_provider(providers: dict[str, dict[str, Any]]) -> str:
    """Return the nickname of the default provider: the one so marked, or the only one; empty if there is none."""
    candidates = _marked(providers) or list(providers)
    return candidates[0] if len(candidates) == 1 else ""


def _marked(providers: dict[str, dict[str, Any]]) -> list[str]:
    return [nickname for nickname, table in providers.items() if table.get("default") is True]


def _tables(document: Document, name: str) -> dict[str, dict[str, Any]]:
    section = document.data.get(name)
    if not isinstance(section, dict):
        return {}
    return {key: table for key, table in section.items() if isinstance(table, dict)}


def _default_provider(document: Document, providers: dict[str, dict[str, Any]]) -> Iterator[str]:
    for nickname in _marked(providers)[1:]:
        yield from second_default(document, nickname)
    if document.data.get("providers") == {}:
        yield document.mistake(("providers",), "there is none; describe one as [providers.NICKNAME]")


def _providers_of_senders(
    document: Document, senders: dict[str, dict[str, Any]], providers: dict[str, dict[str, Any]]
) -> Iterator[str]:
    for header, table in senders.items():
        named = table.get("provider", "")
        places: list[tuple[tuple[str | int, ...], Any]] = [(("provider",), named)]
        if isinstance(named, list):
            places = [(("provider", position), nickname) for position, nickname in enumerate(named)]
        for place, nickname in places:
            if nickname and isinstance(nickname, str) and nickname not in providers:
                reason = f"there is no provider {nickname}{closest(nickname, providers)}"
                yield document.mistake(("senders", header, *place), reason)
        if not named and providers and not default_provider(providers):
            reason = "is missing, and no provider is marked default = true"
            yield document.mistake(("senders", header, "provider"), reason)


def _digits_are_promotional(document: Document, senders: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Letters prove no category, but digits do (docs/domain.md section 5)."""
    for header, table in senders.items():
        category = table.get("category")
        if category in CATEGORIES and (reason := headers.category_problem(header, category)):
            yield document.mistake(("senders", header, "category"), reason)


def _without_price(document: Document, senders: dict[str, dict[str, Any]]) -> Iterator[str]:
    categories = _tables(document, "categories")
    for header, table in senders.items():
        category = categories.get(str(table.get("category")), {})
        if "max_money_per_day" in table and "price_per_part" not in table and "price_per_part" not in category:
            reason = f"needs a price: price_per_part here, or in [categories.{table.get('category')}]"
            yield document.mistake(("senders", header, "max_money_per_day"), reason)
