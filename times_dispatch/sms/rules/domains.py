"""Domains in a text, told from sentences without a blank after the full stop: ``evil.ru`` and ``done.so``.

The endings of domains are those of the installed Public Suffix List (publicsuffix.org).
"""

import re
from functools import cache, lru_cache

from publicsuffixlist import PublicSuffixList

_WORD_ENDINGS = re.compile(
    "ac|ad|al|am|an|ar|as|at|be|by|ca|cd|cm|cr|do|et|gm|go|hm|hr|id|is|it|ke|kg|ki|km|la|lb|ma|md|mg|mh|ml|mm|"
    "mp|mr|ms|my|na|ne|nl|no|nr|om|pa|pe|ph|pl|pm|pt|re|rs|sa|sc|se|sh|sl|so|sr|st|tc|tm|tn|to|us|vs|ye"
)
"""Endings of countries that are also words, titles, units or parts of addresses: ``done.so``, ``Cust.Id``, ``2.km``."""
_LINK_ENDINGS = re.compile(
    "com|net|org|info|biz|app|dev|xyz|site|website|online|store|shop|tech|vip|icu|club|live|link|click|lol|top|page|bank|"
    "finance|edu|gov|mil|int|mobi|asia|aero|arpa|coop|tel|buzz|wiki|blog|wang|bid|cyou|sbs|cfd|monster|quest|"
    "xn--.*"
)
"""Longer endings that make a name without a path a link. The others are words too, as ``today`` and ``call``."""
_OLDEST = re.compile("com|net|org")
_TITLES = re.compile("dr|er|km|md|mr|mrs|ms|prof|shri|smt|sri|st")
_ABBREVIATED_NUMBER = re.compile(r"[:/][0-9]")
_ABBREVIATION = re.compile(r"/[A-Za-z]\.[A-Za-z]")
_PATH = re.compile(r"\.?(?::[0-9]+)?(?:/[^\s]*[^\W_]|\?[^\s]*=)")
_ADDRESS = re.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])")


def domain_of(host: str, after: str) -> str | None:
    """Return the part of a dotted name that a phone makes a link of; None if there is no such part.

    In ``times.in.Please`` it is ``times.in``: no domain ends with ``Please``, a word of the next sentence.

    Args:
        host: labels with dots between them.
        after: the text between the name and the next blank.
    """
    if _ADDRESS.fullmatch(host):
        return host if _PATH.match(after) else None
    name = host
    while not is_public_suffix(name.rpartition(".")[2].lower()):
        name = name.rpartition(".")[0]
        if "." not in name:
            return None
    labels = name.split(".")
    shorter = (".".join(labels[:end]) for end in range(2, len(labels)))
    has_link = _is_link(name, after if name == host else "") or any(_is_link(start, "") for start in shorter)
    return name if has_link else None


def _is_link(name: str, after: str) -> bool:
    before, _, ending = name.lower().rpartition(".")
    if not is_public_suffix(ending) or (_WORD_ENDINGS.fullmatch(ending) and before.replace(".", "").isdecimal()):
        return False
    if len(before) == 1 and _ABBREVIATION.match(after):  # M.Sc/B.Sc, B.Tech/M.Tech
        return False
    if ending == "no" and _ABBREVIATED_NUMBER.match(after):  # S.No/12, Inv.No:123/2025
        return False
    if _PATH.match(after):
        return True
    is_name = _TITLES.fullmatch(before) or (len(before) == 1 and not _OLDEST.fullmatch(ending))  # Dr.Dev, K.Li
    return _is_link_without_path(ending) and not is_name


def _is_link_without_path(ending: str) -> bool:
    if not ending.isascii():
        return True
    return not _WORD_ENDINGS.fullmatch(ending) if len(ending) == 2 else bool(_LINK_ENDINGS.fullmatch(ending))


@lru_cache(10_000)
def is_public_suffix(label: str) -> bool:
    """Return whether a label, in lower case, is the ending of domains."""
    return _suffixes().publicsuffix(label) is not None


@cache
def _suffixes() -> PublicSuffixList:
    """Load the list at its first use: most processes never need it."""
    return PublicSuffixList(accept_unknown=False, only_icann=True)
