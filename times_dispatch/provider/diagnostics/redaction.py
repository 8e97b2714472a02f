"""A provider's secrets, found again in a text that somebody else wrote, in whatever form it repeats them."""

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

_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}


def secrets_of(provider: Provider, push: Push, authorization: str = "") -> set[str]:
    """Return what nobody may see of a provider, of a push's own values, and of the Authorization header that it had.

    A value that is written out counts if its name is that of a secret.
    """
    custom = {**dict(provider.custom), **(push.custom or {})}.items()
    constants, auth = provider.constants, provider.auth
    values = {*constants.values()}
    named = [*provider.headers, *custom, *parse_qsl(urlsplit(provider.endpoint).query)]
    if isinstance(auth, ClientCredentials):
        values |= {auth.client_id, auth.client_secret}
        named += auth.extra
    payload = parse(provider.payload) if isinstance(provider.payload, str) else Object(list(provider.payload))
    for template in _written_out([payload, Object(named)]):
        values |= _proofs(PLACEHOLDER.sub(lambda found: constants.get(found[1], found[0]), template))
    values |= _proofs(auth.authorization()) | _proofs(authorization)
    return {value for value in values if value}


def redact(text: str, secrets: Iterable[str]) -> str:
    """Hide secrets as they are, escaped (percent, JSON, HTML), and in base 64; the longest first."""
    forms = {form for secret in secrets for form in (secret, *_in_base_64(secret))}
    if not forms:
        return text
    longest_first = sorted(forms, key=len, reverse=True)
    return re.sub("|".join("".join(map(_escaped, form)) for form in longest_first), REDACTED, text, flags=re.IGNORECASE)


def _written_out(node: Any, *, secret: bool = False) -> Iterator[str]:
    """Yield the values that stand anywhere under a key that names a secret."""
    match node:
        case Object(pairs):
            for key, value in pairs:
                yield from _written_out(value, secret=secret or bool(SECRET_WORDS.search(key)))
        case list():
            for value in node:
                yield from _written_out(value, secret=secret)
        case str() if secret:
            yield node


def _proofs(value: str) -> set[str]:
    """Return a header's value, and it without the scheme before it (``Basic``, ``ApiKey``) and the padding after it."""
    proof = value.partition(" ")[2]
    return {value, proof, proof.rstrip("=")}


def _in_base_64(secret: str) -> Iterator[str]:
    for encode in (b64encode, urlsafe_b64encode):
        encoded = encode(secret.encode()).decode()
        yield encoded
        yield encoded.rstrip("=")


def _escaped(character: str) -> str:
    """Return a pattern for a character in all the forms that servers write it in."""
    if character.isascii() and character.isalnum():
        return character
    forms = {
        character,
        "".join(f"%{byte:02X}" for byte in character.encode()),
        json.dumps(character)[1:-1],
        "\\u" + f"{ord(character):04x}",
        _NAMED.get(character, character),
    }
    if character == " ":
        forms.add("+")
    numbered = rf"&\#0*{ord(character)};|&\#x0*{ord(character):x};"
    before = "" if character == "\\" else r"\\{0,3}"
    return rf"(?:{before}(?:{'|'.join(map(re.escape, sorted(forms, key=len, reverse=True)))}|{numbered}))"
