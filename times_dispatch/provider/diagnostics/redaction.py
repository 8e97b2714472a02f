"""Replaces a provider's secrets in a text, in every form in which a server may return a secret."""

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from times_dispatch.provider.description.json_template import Object, parse
from times_dispatch.provider.description.placeholders import PLACEHOLDER
from times_dispatch.provider.description.provider import Provider
from times_dispatch.provider.description.validation import SECRET_WORDS
from times_dispatch.provider.oauth.credentials import ClientCredentials
from times_dispatch.provider.push import Push

REDACTED = "***"

_HTML_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}


def secrets_of(provider: Provider, push: Push, authorization: str = "") -> set[str]:
    """Return the secret values of a provider, of a push's custom values, and of the request's Authorization header.

    A value in the settings counts as a secret if its name is a typical name of a secret.
    """
    custom = {**dict(provider.custom), **(push.custom or {})}.items()
    constants, auth = provider.constants, provider.auth
    values = {*constants.values()}
    named = [*provider.headers, *custom, *parse_qsl(urlsplit(provider.endpoint).query)]
    if isinstance(auth, ClientCredentials):
        values |= {auth.client_id, auth.client_secret}
        named += auth.extra
    payload = parse(provider.payload) if isinstance(provider.payload, str) else Object(list(provider.payload))
    for template in _secret_values([payload, Object(named)]):
        values |= _header_forms(PLACEHOLDER.sub(lambda match: constants.get(match[1], match[0]), template))
    values |= _header_forms(auth.authorization()) | _header_forms(authorization)
    return {value for value in values if value}


def redact(text: str, secrets: Iterable[str]) -> str:
    """Replace secrets, including their percent-, JSON- and HTML-escaped forms, and base 64.

    The longest form is replaced first, so that no part of the form remains.
    """
    forms = {form for secret in secrets for form in (secret, *_base64_forms(secret))}
    if not forms:
        return text
    longest_first = sorted(forms, key=len, reverse=True)
    return re.sub(
        "|".join("".join(map(_character_pattern, form)) for form in longest_first), REDACTED, text, flags=re.IGNORECASE
    )


def _secret_values(node: Any, *, secret: bool = False) -> Iterator[str]:
    """Yield the string values at any depth below a key that names a secret."""
    match node:
        case Object(pairs):
            for key, value in pairs:
                yield from _secret_values(value, secret=secret or bool(SECRET_WORDS.search(key)))
        case list():
            for value in node:
                yield from _secret_values(value, secret=secret)
        case str() if secret:
            yield node


def _header_forms(value: str) -> set[str]:
    """Return a header's value, and the value without its scheme (``Basic``, ``ApiKey``) and without base 64 padding."""
    credentials = value.partition(" ")[2]
    return {value, credentials, credentials.rstrip("=")}


def _base64_forms(secret: str) -> Iterator[str]:
    for encode in (b64encode, urlsafe_b64encode):
        encoded = encode(secret.encode()).decode()
        yield encoded
        yield encoded.rstrip("=")


def _character_pattern(character: str) -> str:
    """Return a regular expression for all forms in which servers write a character."""
    if character.isascii() and character.isalnum():
        return character
    forms = {
        character,
        "".join(f"%{byte:02X}" for byte in character.encode()),
        json.dumps(character)[1:-1],
        "\\u" + f"{ord(character):04x}",
        _HTML_ENTITIES.get(character, character),
    }
    if character == " ":
        forms.add("+")
    numeric_entities = rf"&\#0*{ord(character)};|&\#x0*{ord(character):x};"
    backslashes = "" if character == "\\" else r"\\{0,3}"
    return rf"(?:{backslashes}(?:{'|'.join(map(re.escape, sorted(forms, key=len, reverse=True)))}|{numeric_entities}))"
