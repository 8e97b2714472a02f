"""Links in a text, and the whitelist of those that a text may contain (docs/domain.md section 5).

A whitelist has two forms of entries that DLT portals also take. ``https://times.example/sale`` allows this link only,
also if it ends in ``.apk``. ``https://times.example/sale?`` allows this link with any query. Two more forms are our
own. ``times.example`` allows all links of the domain except apps; a subdomain is another domain. ``sho.rt/TIMESM/``
allows all links that begin with it.
"""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from times_dispatch.sms.rules.domains import domain_of

_DOT_TABLE = str.maketrans("。．｡", "...")
"""Characters that browsers read as dots."""
_LABEL = r"[^\W_](?:[\w\u0900-\u0963\u0966-\u0dff-]*[\w\u0900-\u0963\u0966-\u0dff])?"
_LINK = re.compile(
    rf"(?P<whole>[A-Za-z][A-Za-z0-9+.-]*://[^\s<>\"]+|(?<![\w@])www\.[^\s<>\"]+)"
    rf"|(?<![\w@])(?P<host>{_LABEL}(?:\.{_LABEL})+)(?![\w@\u0900-\u0963\u0966-\u0dff-])(?P<after>\.?[:/?#][^\s<>\"]*)?",
    re.IGNORECASE,
)
_NAME = re.compile(r"\.[^\W\d_]")
_ADDRESS = re.compile(r"[0-9](?:\.[0-9]{1,3}){3}")
_OTHER_DOTS = re.compile("[。．｡]")
_APP = re.compile(r"\.(?:apk|ipa|aab|xapk)\b", re.IGNORECASE)
_COMMON_FORM = re.compile(r"(?:https?://)?(?:www\.)?([a-z0-9-]+(?:\.[a-z0-9-]+)+)(/[^#\\@\s]*)?")
_ENTRY = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*://)?[^\s/@\\]+\.[^\s/@\\]+(?:[/?][^\s\\]*)?")


def may_contain_links(text: str) -> bool:
    """Return False if ``find`` certainly finds no link in a text. It is fast, and nearly all texts contain no link."""
    if "." in text and (_NAME.search(text) or (text.count(".") > 2 and _ADDRESS.search(text))):
        return True
    return "://" in text or (not text.isascii() and bool(_OTHER_DOTS.search(text)))


def find(text: str) -> list[str]:
    """Return the links of a text without the punctuation at their end.

    A link is a substring that phones make a link of. For names without ``http://`` and ``www.``,
    ``times_dispatch.sms.rules.domains`` decides.
    """
    if not may_contain_links(text):
        return []
    if not text.isascii():
        text = text.translate(_DOT_TABLE)
    links, position = [], 0
    while match := _LINK.search(text, position):
        position = match.end()
        if whole := match["whole"]:
            links.append(whole)
            continue
        host, after = match["host"], match["after"] or ""
        domain = domain_of(host, after)
        if domain is not None:
            links.append(domain + after if domain == host else domain)
        if domain != host:
            position = match.end("host")  # the rest may contain another link
    return [link.rstrip(".,;:!?)]}'…।") for link in links]


def entry_problem(entry: str) -> str | None:
    """Return why an entry cannot be in a whitelist of links; None if it can."""
    if _ENTRY.fullmatch(entry):
        return None
    return f"must be a domain or a link, as in times.example or https://times.example/sale?, is {entry!r}"


class LinkWhitelist:
    """The whitelisted links.

    http or https, and www. or not, make no difference. Case matters except in domains.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        self._domains: set[str] = set()
        self._exact: set[str] = set()
        self._prefixes: list[str] = []
        for entry in entries:
            link = _canonical(entry)
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
        """Return whether a link is whitelisted."""
        canonical = _canonical(link)
        if canonical is None:
            return False
        domain, _, _ = canonical.partition("/")
        if canonical in self._exact or any(map(canonical.startswith, self._prefixes)):
            return True
        return domain in self._domains and not _APP.search(canonical, len(domain))

    def missing(self, text: str) -> list[str]:
        """Return the links of a text that are not whitelisted."""
        return [link for link in find(text) if not self.allows(link)]


def _canonical(link: str) -> str | None:
    """Return a link as ``domain/path?query``, the form in which links are compared; None if it has no clear domain."""
    if match := _COMMON_FORM.fullmatch(link):  # a fifth of the cost of urlsplit
        return match[1] + (match[2] or "/")
    return _canonical_by_urlsplit(link)


def _canonical_by_urlsplit(link: str) -> str | None:
    scheme, separator, rest = link.partition("://")
    if not separator:
        scheme, rest = "https", link
    try:
        parts = urlsplit(f"https://{rest}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    # People take the text before an @ for the domain, and some browsers take a backslash for a slash.
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
