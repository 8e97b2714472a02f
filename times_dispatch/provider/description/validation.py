"""Checks of a provider's description.

problem     the description cannot work; no process starts with it
warning     the description works, and is probably a mistake
note        a fact to know before the first push; only ``dispatch provider check`` prints it
"""

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from times_dispatch.provider.description.json_template import JsonTemplateInvalid, keys, nested_document, parse, strings
from times_dispatch.provider.description.placeholders import ESCAPE_FREE, PLACEHOLDER, RESERVED, names_in
from times_dispatch.provider.description.provider import TIMES_MOBILE_GET, TIMES_MOBILE_POST, Provider
from times_dispatch.provider.oauth.credentials import ClientCredentials
from times_dispatch.provider.outcomes import Verdict
from times_dispatch.provider.request.byte_template import HEADER_VALUE
from times_dispatch.similar_names import similar_name

_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PLACEHOLDER_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
SECRET_WORDS: Final = re.compile(r"pass(word|wd)?$|^pwd$|secret|token|api.?key|^auth|credential", re.IGNORECASE)
_MARKUP: Final = re.compile(r"<[A-Za-z/!?][^<>]*>")
_PIECE_OF_JSON: Final = re.compile(r"[{\[]\s*[\"{\[]")
_TIMES_MOBILE_HOST: Final = urlsplit(TIMES_MOBILE_POST).hostname
_TIMES_MOBILE_PATHS: Final = {"GET": urlsplit(TIMES_MOBILE_GET).path, "POST": urlsplit(TIMES_MOBILE_POST).path}


def problems(provider: Provider) -> list[str]:
    """Return a sentence without secrets for each error because of which the description cannot work."""
    return [
        *_address_problems(provider),
        *_header_problems(provider),
        *_payload_problems(provider),
        *_language_problems(provider),
        *_custom_problems(provider),
        *_response_problems(provider),
        *_limit_problems(provider),
    ]


def warnings(provider: Provider) -> list[str]:
    """Return a sentence without secrets for each part of the description that works and is probably a mistake."""
    return [*_open_addresses(provider), *_odd_path(provider), *_odd_placeholders(provider), *_open_secrets(provider)]


def notes(provider: Provider) -> list[str]:
    """Return facts to know before the first push."""
    facts = []
    path = urlsplit(provider.endpoint).path
    if path != path.lower() and not list(_odd_path(provider)):
        facts.append(f"the path {path} is sent as it is written: endpoints are case-sensitive")
    if needed := needed_of_campaigns(provider):
        listed = ", ".join(f"$${name}" for name in needed)
        facts.append(f"every campaign must give {listed} under [custom]")
    return facts


def custom_names(provider: Provider) -> list[str]:
    """Return the placeholders for which campaigns may give values, in order of their use."""
    fixed = RESERVED | provider.constants.keys()
    return [name for name in dict.fromkeys(_used(provider)) if name not in fixed]


def names_in_headers(provider: Provider) -> frozenset[str]:
    """Return the placeholders in headers, whose values must match ``byte_template.HEADER_VALUE``."""
    return frozenset(name for _, template in provider.headers for name in names_in(template))


def needed_of_campaigns(provider: Provider) -> list[str]:
    """Return the placeholders to which every campaign must give a value, because the provider has none."""
    given = {name for name, _ in provider.custom}
    return [name for name in custom_names(provider) if name not in given]


def _used(provider: Provider) -> list[str]:
    """Return the placeholders of payload and headers; a payload that cannot be parsed counts as empty."""
    try:
        templates = [template for _, template in provider.templates()]
    except JsonTemplateInvalid:
        templates = []
    return [name for template in (*templates, *(value for _, value in provider.headers)) for name in names_in(template)]


def _address_problems(provider: Provider) -> Iterator[str]:
    if not _is_address(provider.endpoint):
        yield "endpoint must be an http:// or https:// address"
    elif "@" in urlsplit(provider.endpoint).netloc:
        yield "endpoint must not hold credentials; give them as username and password"
    if "#" in provider.endpoint or PLACEHOLDER.search(provider.endpoint):
        yield "endpoint must hold neither # nor placeholders; put placeholders into the payload"
    if provider.proxy and not _is_address(provider.proxy):
        yield "proxy must be an http:// or https:// address"
    if isinstance(provider.auth, ClientCredentials) and not _is_address(provider.auth.token_url):
        yield "oauth2.token_url must be an http:// or https:// address"


def _is_address(text: str) -> bool:
    if not text.isprintable() or " " in text:
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _header_problems(provider: Provider) -> Iterator[str]:
    constants = provider.constants
    for name, value in provider.headers:
        filled = PLACEHOLDER.sub(lambda match: constants.get(match[1], ""), value)
        if not _HEADER_NAME.fullmatch(name):
            yield f"header {name!r}: the name is not one that HTTP allows"
        elif not HEADER_VALUE.fullmatch(filled):
            yield f"header {name}: the value must be one line of ASCII"
        elif name.lower() in {"host", "content-length", "transfer-encoding", "connection"}:
            yield f"header {name}: the client itself writes this header"
        elif name.lower() == "authorization" and (
            provider.auth.authorization() or isinstance(provider.auth, ClientCredentials)
        ):
            yield f"header {name}: auth writes it already; take out one of the two"


def _payload_problems(provider: Provider) -> Iterator[str]:
    if provider.method == "GET" and provider.encoding != "query":
        yield f"a GET carries its payload in the query, not as {provider.encoding}"
    if isinstance(provider.payload, str):
        if provider.encoding != "json":
            yield f"the payload of a {provider.encoding} must be a table of keys and texts"
            return
        try:
            document = parse(provider.payload)
        except JsonTemplateInvalid as invalid:
            yield f"the payload {invalid}"
            return
        yield from _key_problems(document)
    else:
        yield from _key_problems([value for _, value in provider.payload])
    used = {name for _, template in provider.templates() for name in names_in(template)}
    if "To" not in used:
        yield "the payload needs $$To"
    if not used & {"Body", "TemplateID"}:
        yield "the payload needs $$Body or $$TemplateID"


def _key_problems(document: Any) -> Iterator[str]:
    for key in keys(document):
        if PLACEHOLDER.search(key):
            yield f"the payload's key {key!r}: placeholders are only allowed in values"


def _language_problems(provider: Provider) -> Iterator[str]:
    """Find placeholders in XML or in pieces of JSON, where their values would not be escaped."""
    free = {name for name in _used(provider) if name not in ESCAPE_FREE and name not in provider.constants}
    for path, template in _templates_with_paths(provider):
        names = [name for name in names_in(template) if name in free]
        if not names or nested_document(template) is not None:
            continue
        if _MARKUP.search(template):
            yield f"{path}: $${names[0]} is inside XML or HTML, for which nothing escapes it; use form fields or JSON"
        elif _PIECE_OF_JSON.search(template):
            yield (
                f"{path}: $${names[0]} is inside a piece of JSON, for which nothing escapes it; "
                "make the whole value one JSON document, with its placeholders in quotes"
            )


def _templates_with_paths(provider: Provider) -> Iterator[tuple[str, str]]:
    """Yield path and template of every value of payload and headers, including values in nested documents."""
    try:
        templates = [(f"payload.{key}", template) for key, template in provider.templates()]
    except JsonTemplateInvalid:
        templates = []
    for path, template in (*templates, *((f"headers.{name}", value) for name, value in provider.headers)):
        yield path, template
        yield from ((f"{path}.{key}", inner) for key, inner in strings(nested_document(template)))


def _custom_problems(provider: Provider) -> Iterator[str]:
    for name, _ in (*provider.custom, *provider.secrets):
        if not _PLACEHOLDER_NAME.fullmatch(name):
            yield f"custom.{name}: a name is a letter, then letters, digits or _"
        elif name in RESERVED:
            yield f"custom.{name}: $${name} has a meaning already"


def _response_problems(provider: Provider) -> Iterator[str]:
    rules = provider.response_rules
    meanings = (*rules.codes.values(), *rules.statuses.values())
    if not rules.accepted_states and not any(meaning.verdict is Verdict.ACCEPTED for meaning in meanings):
        yield "answers must say what is accepted: codes, states or HTTP statuses"
    has_codes = rules.pattern or rules.paths.get("code") or rules.words
    if rules.codes and not has_codes:
        yield "answers name codes, but not where to find them: give code, pattern or words"
    for code in rules.words.values():
        if code not in rules.codes:
            yield f"answers.words stand for code {code}, which has no meaning: name it in accepted, rejected, …"


def _limit_problems(provider: Provider) -> Iterator[str]:
    if not 0 < provider.connect_timeout_s <= provider.total_timeout_s:
        yield "connect_timeout_s must be above 0 and at most total_timeout_s"
    if provider.max_connections < 1:
        yield "max_connections must be at least 1"


def _open_addresses(provider: Provider) -> Iterator[str]:
    addresses = {"endpoint": provider.endpoint}
    if isinstance(provider.auth, ClientCredentials):
        addresses["oauth2.token_url"] = provider.auth.token_url
    for name, address in addresses.items():
        if _is_address(address) and address.startswith("http:") and not _is_loopback(urlsplit(address).hostname or ""):
            yield f"{name} is plain http: the network can read credentials, numbers and texts; use https"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _odd_path(provider: Provider) -> Iterator[str]:
    if not _is_address(provider.endpoint):
        return
    parts, expected = urlsplit(provider.endpoint), _TIMES_MOBILE_PATHS[provider.method]
    if parts.path == expected:
        return
    if parts.path.lower() == expected.lower():
        yield f"endpoint: the path is {parts.path}, Times Mobile's is {expected}, and case counts"
    elif parts.hostname == _TIMES_MOBILE_HOST:
        yield f"endpoint: the path is {parts.path}, and Times Mobile takes a {provider.method} at {expected}"


def _odd_placeholders(provider: Provider) -> Iterator[str]:
    used = dict.fromkeys(_used(provider))
    if "MessageID" not in used:
        yield "the payload has no $$MessageID: delivery reports match no message, and messages in doubt stay in doubt"
    lower = {name.lower(): name for name in sorted(RESERVED)}
    for name in needed_of_campaigns(provider):
        if near := similar_name(name.lower(), lower, cutoff=0.75):
            yield f"$${name} is taken for a custom key-value; did you mean $${lower[near]}?"
    for name, _ in provider.custom:
        if name not in used:
            yield f"custom.{name}: $${name} is used neither in the payload nor in a header"


def _open_secrets(provider: Provider) -> Iterator[str]:
    """Find secrets in the settings file, where every reader of the file sees them."""
    try:
        templates = [("payload", key, value) for key, value in provider.templates()]
    except JsonTemplateInvalid:
        templates = []
    for table, key, value in (*templates, *(("headers", name, value) for name, value in provider.headers)):
        if value and SECRET_WORDS.search(key) and not names_in(value):
            yield f"{table}.{key}: looks like a secret; name it in secrets, and put its placeholder here"
