"""Finds the links in a text, and compares them with the whitelist of allowed links (docs/domain.md section 5).

A whitelist has two forms of entries that DLT portals also accept. ``https://times.example/sale`` allows only this link,
even if the link ends in ``.apk``. ``https://times.example/sale?`` allows this link with any query. Two more forms exist
only in this project. ``times.example`` allows all links of the domain except apps; a subdomain is another domain.
``sho.rt/TIMESM/`` allows all links that begin with this entry.
"""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from times_dispatch.sms.rules.domains import domain_of, is_public_suffix

_DOT_TABLE = str.maketrans("。．｡", "...")
"""The characters that browsers read as dots."""
_LETTERS = r"\w\u0900-\u0963\u0966-\u0dff"
"""Letters and digits. Vowel signs are added, because Python does not count vowel signs as letters."""
_SYMBOLS = (
    "\u200d\u2122\u2139\u2190-\u21ff\u2300-\u23ff\u25a0-\u27bf\u2900-\u297f\u2b00-\u2bff\u3030\u303d\ufe0f"
    "\U0001f000-\U0001faff"
)
"""Symbols and emoji that a name may contain."""
_ASCII_RUN = re.compile(r"[A-Za-z0-9_.-]++")
_RUN = re.compile(rf"[{_LETTERS}{_SYMBOLS}.-]++")
"""The longest sequences of characters of names and dots; for ASCII texts the search takes a third of the time."""
_SEGMENT = re.compile(rf"[{_LETTERS}{_SYMBOLS}](?:[{_LETTERS}{_SYMBOLS}-]|\.(?=[^\W_]|[{_SYMBOLS}]))*+")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9]++(?:\.[A-Za-z0-9]++)++")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+-]{0,30}\Z")
_SCHEME_LENGTH = 32
_KNOWN_SCHEME = re.compile(r"https?\Z", re.IGNORECASE)
_BROKEN_SCHEME = re.compile(r"(?:h?ttps?|hxxps?)(?:[:;]?[ ]?/{1,3}|[:;])[ ]?\Z", re.IGNORECASE)
"""A misspelled scheme: ``https:/t.in``, ``https//t.in``. The name after the scheme is meant as a link."""
_BROKEN_SCHEME_LENGTH = 12
_WITH_BRAND = re.compile(r"((?:[A-Za-z][A-Za-z0-9+-]*://)?(?:[\w-]+\.)+([A-Za-z]{2,}))-[\w-]*")
_REST = re.compile(r"[^\s<>\"]*+")
_AFTER_HOST = re.compile(r"\.?[:/?#][^\s<>\"]*+")
_BEGINS_AFTER_HOST = re.compile(r"\.?[:/?#]")
_MAX_AFTER = 200
"""The number of characters after a name that decide whether the name is a link."""
_AT_END = re.compile(rf"[{_SYMBOLS}_.-]")
_LEADING_SYMBOLS = re.compile(rf"[{_SYMBOLS}_]+(?=[{_LETTERS}])")
_NAME = re.compile(r"\.[^\W\d_]")
_ADDRESS = re.compile(r"[0-9](?:\.[0-9]{1,3}){3}")
_OTHER_DOTS = re.compile("[。．｡]")
_APP = re.compile(r"\.(?:apk|ipa|aab|xapk)\b", re.IGNORECASE)
_COMMON_FORM = re.compile(r"(?:https?://)?(?:www\.)?([a-z0-9-]+(?:\.[a-z0-9-]+)+)(/[^#\\@\s]*)?")
_ENTRY = re.compile(
    r"(?:[A-Za-z][A-Za-z0-9+.-]*://)?[^\s/@\\][^\s/@\\.]*+\.[^\s/@\\][^\s/@\\?]*+(?:[/?][^\s\\]*+)?"
    r"|(?!https?:)[A-Za-z][A-Za-z0-9+.-]*://[^\s/@\\?]+(?:[/?][^\s\\]*)?",  # a link to an app: upi://pay?
    re.IGNORECASE,
)


def may_contain_links(text: str) -> bool:
    """Return False if ``find`` certainly finds no link in a text. The check is fast, and most texts have no link."""
    if "." in text and (_NAME.search(text) or (text.count(".") > 2 and _ADDRESS.search(text))):
        return True
    return "://" in text or (not text.isascii() and bool(_OTHER_DOTS.search(text)))


def find(text: str) -> list[str]:
    """Return the links of a text, without the punctuation at the end of each link.

    A link is a substring that phones turn into a link. For names without ``http://`` and ``www.``,
    ``times_dispatch.sms.rules.domains`` decides.
    """
    if not may_contain_links(text):
        return []
    if not text.isascii():
        text = text.translate(_DOT_TABLE)
    links, position = [], 0
    runs = _ASCII_RUN if text.isascii() else _RUN
    while run := runs.search(text, position):
        start, position = run.span()
        before = text[max(start, position - _SCHEME_LENGTH) : position]
        if text.startswith("://", position) and (scheme := _SCHEME.search(before)):
            known = _KNOWN_SCHEME.search(scheme[0])  # a word may be glued to the scheme: forhttps://…
            begin = position - len((known or scheme)[0])
            if "." in text[start:begin] and text[start - 1 : start] != "@":  # evil.in-https://…
                links += _links_of_run(text, start, begin)[0]
            position = _end_of(_REST, text, position)
            links.append(text[begin:position])
        elif "." in run[0] and text[start - 1 : start] != "@" and text[position : position + 1] != "@":
            in_run, position = _links_of_run(text, start, position)
            if not in_run and _is_after_broken_scheme(run[0], text[max(0, start - _BROKEN_SCHEME_LENGTH) : start]):
                position = _end_of(_REST, text, start)
                in_run = [text[start:position]]
            links += in_run
    return [_without_brand(link.rstrip(".,;:!?)]}'…।”’»")) for link in links]


def _without_brand(link: str) -> str:
    """Return a link without a brand that a dash joins to the ending: no domain ends with ``in-TIMES``."""
    match = _WITH_BRAND.fullmatch(link) if "-" in link else None
    return match[1] if match and is_public_suffix(match[2].lower()) else link


def _is_after_broken_scheme(name: str, before: str) -> bool:
    ends_like_a_scheme = before[-1:] in ("/", ":", ";", " ") and _BROKEN_SCHEME.search(before) is not None
    return ends_like_a_scheme and is_public_suffix(name.rstrip(".").rpartition(".")[2].lower())


def _links_of_run(text: str, start: int, end: int) -> tuple[list[str], int]:
    """Return the links in a run, and the position at which the search goes on."""
    if text[start : start + 4].lower() == "www." and (rest := _end_of(_REST, text, start)) > start + 4:
        return [text[start:rest]], rest
    if _PLAIN_NAME.fullmatch(text, start, end):
        return _link_at(text, start, end)
    links: list[str] = []
    for segment in _SEGMENT.finditer(text, start, end):
        host_start, host_end = segment.span()
        if leading := _LEADING_SYMBOLS.match(text, host_start, host_end):
            host_start = leading.end()
        while host_end > host_start and _AT_END.fullmatch(text, host_end - 1, host_end):
            host_end -= 1
        if host_end == host_start:
            continue
        in_segment, position = _link_at(text, host_start, host_end)
        links += in_segment
        if position > end:
            return links, position
    return links, end


def _link_at(text: str, start: int, end: int) -> tuple[list[str], int]:
    """Return the link that begins with the name between two positions, if any, and where the search goes on."""
    host = text[start:end]
    after = text[end : end + _MAX_AFTER] if _BEGINS_AFTER_HOST.match(text, end) else ""
    domain = domain_of(host, after)
    if domain == host and after:
        end = _end_of(_AFTER_HOST, text, end)
        return [text[start:end]], end
    return [domain] if domain is not None else [], end


def _end_of(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return match.end() if match else position


def entry_problem(entry: str) -> str | None:
    """Return why an entry cannot be in a whitelist of links; None if the entry is valid."""
    if _ENTRY.fullmatch(entry):
        return None
    return f"must be a domain or a link, as in times.example or https://times.example/sale?, is {entry!r}"


class LinkWhitelist:
    """The whitelisted links.

    The comparison ignores the scheme (http or https), ``www.``, and the case of domains; otherwise case matters.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        self._domains: set[str] = set()
        self._exact: set[str] = set()
        self._prefixes: list[str] = []
        self._all_domains: set[str] = set()
        for entry in entries:
            link = _canonical(entry)
            if link is None:
                continue
            domain, _, path = link.partition("/")
            self._all_domains.add(domain)
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

    def has_domain_of(self, beginning: str) -> bool:
        """Return whether a link with this beginning may be whitelisted, because an entry has the same domain."""
        canonical = _canonical(beginning)
        return canonical is not None and canonical.partition("/")[0] in self._all_domains

    def missing(self, text: str) -> list[str]:
        """Return the links of a text that are not whitelisted."""
        return [link for link in find(text) if not self.allows(link)]


def _canonical(link: str) -> str | None:
    """Return a link as ``domain/path?query``, the form in which links are compared; None if it has no clear domain."""
    if match := _COMMON_FORM.fullmatch(link):  # costs a fifth of urlsplit
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
    # People mistake the text before an @ for the domain, and some browsers read a backslash as a slash.
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
