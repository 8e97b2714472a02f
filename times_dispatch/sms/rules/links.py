"""Links in a text, and whether they are on the whitelist (docs/domain.md section 5).

A whitelist is written as the portals take it. ``https://times.example/sale`` is that link alone, also if it ends in
``.apk``; ``https://times.example/sale?`` is a link whose query varies. Two forms are ours: ``times.example`` is every
link of the domain (a subdomain is another domain) but apps, and ``sho.rt/TIMESM/`` every link that begins so.
"""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from times_dispatch.sms.rules.domains import domain_of

_DOTS = str.maketrans("。．｡", "...")
"""Browsers read these as dots."""
_LABEL = r"[^\W_](?:[\w\u0900-\u0963\u0966-\u0dff-]*[\w\u0900-\u0963\u0966-\u0dff])?"
_LINK = re.compile(
    rf"(?P<whole>[A-Za-z][A-Za-z0-9+.-]*://[^\s<>\"]+|(?<![\w@])www\.[^\s<>\"]+)"
    rf"|(?<![\w@])(?P<host>{_LABEL}(?:\.{_LABEL})+)(?![\w@\u0900-\u0963\u0966-\u0dff-])(?P<after>\.?[:/?#][^\s<>\"]*)?",
    re.IGNORECASE,
)
_NAME = re.compile(r"\.[^\W\d_]")
_ADDRESS = re.compile(r"[0-9](?:\.[0-9]{1,3}){3}")
_OTHER_DOT = re.compile("[。．｡]")
_APP = re.compile(r"\.(?:apk|ipa|aab|xapk)\b", re.IGNORECASE)
_USUAL = re.compile(r"(?:https?://)?(?:www\.)?([a-z0-9-]+(?:\.[a-z0-9-]+)+)(/[^#\\@\s]*)?")
_ENTRY = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*://)?[^\s/@\\]+\.[^\s/@\\]+(?:[/?][^\s\\]*)?")


def may_hold(text: str) -> bool:
    """Say whether ``find`` could find a link, quickly: nearly all texts hold none."""
    if "." in text and (_NAME.search(text) or (text.count(".") > 2 and _ADDRESS.search(text))):
        return True
    return "://" in text or (not text.isascii() and bool(_OTHER_DOT.search(text)))


def find(text: str) -> list[str]:
    """Return the links that a text holds, as they stand there, without punctuation at their end.

    A link is what phones make one of; for a name without ``http://`` or ``www.`` see
    ``times_dispatch.sms.rules.domains``.
    """
    if not may_hold(text):
        return []
    if not text.isascii():
        text = text.translate(_DOTS)
    found, position = [], 0
    while match := _LINK.search(text, position):
        position = match.end()
        if whole := match["whole"]:
            found.append(whole)
            continue
        host, after = match["host"], match["after"] or ""
        domain = domain_of(host, after)
        if domain is not None:
            found.append(domain + after if domain == host else domain)
        if domain != host:
            position = match.end("host")  # what follows may hold a link of its own
    return [link.rstrip(".,;:!?)]}'…।") for link in found]


def entry_problem(entry: str) -> str | None:
    """Say why this cannot stand in a whitelist of links; None if it can."""
    if _ENTRY.fullmatch(entry):
        return None
    return f"must be a domain or a link, as in times.example or https://times.example/sale?, is {entry!r}"


class LinkWhitelist:
    """The links that were whitelisted; http or https, www. or not make no difference; case does, but in domains."""

    def __init__(self, entries: Iterable[str]) -> None:
        self._domains: set[str] = set()
        self._exact: set[str] = set()
        self._prefixes: list[str] = []
        for entry in entries:
            link = _plain(entry)
            if link is None:
                continue
            domain, _, path = link.partition("/")
            if not path:
                self._domains.add(domain)
            elif entry.endswith("?"):
                self._exact.add(link.rstrip("?"))
                self._prefixes.append(link)
            elif entry.endswith("/"):
                self._prefixes.append(link)
            else:
                self._exact.add(link)

    def allows(self, link: str) -> bool:
        """Say whether a link is whitelisted."""
        plain = _plain(link)
        if plain is None:
            return False
        domain, _, _ = plain.partition("/")
        if plain in self._exact or any(map(plain.startswith, self._prefixes)):
            return True
        return domain in self._domains and not _APP.search(plain, len(domain))

    def missing(self, text: str) -> list[str]:
        """Return the links of a text that are not whitelisted."""
        return [link for link in find(text) if not self.allows(link)]


def _plain(link: str) -> str | None:
    """Return a link without what makes no difference: ``domain/path?query``; None if its domain cannot be told."""
    if usual := _USUAL.fullmatch(link):  # a fifth of the cost
        return usual[1] + (usual[2] or "/")
    return _taken_apart(link)


def _taken_apart(link: str) -> str | None:
    scheme, separator, rest = link.partition("://")
    if not separator:
        scheme, rest = "https", link
    try:
        parts = urlsplit(f"https://{rest}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    # What stands before an @ looks like a domain to people, and a backslash like a slash to some browsers.
    if not host or "@" in parts.netloc or "\\" in link:
        return None
    host = host.rstrip(".")
    if host.count(".") > 1:
        host = host.removeprefix("www.")
    if port not in (None, 80, 443):
        host = f"{host}:{port}"
    if scheme.lower() not in ("http", "https"):
        host = f"{scheme.lower()}:{host}"
    after = rest[len(parts.netloc) :].partition("#")[0]
    return host + (after if after.startswith("/") else f"/{after}")
