"""Whether a dotted name is a domain to a phone, or a sentence whose blank is missing: ``evil.ru`` and ``done.so``.

Which endings there are is the Public Suffix List's to say (publicsuffix.org), in the version that is installed.
"""

import re
from functools import cache, lru_cache

from publicsuffixlist import PublicSuffixList

_SENTENCES = re.compile(
    "ac|ad|al|am|an|ar|as|at|be|by|ca|cd|cm|cr|do|et|gm|go|hm|hr|id|is|it|ke|kg|ki|km|la|lb|ma|md|mg|mh|ml|mm|"
    "mp|mr|ms|my|na|ne|nl|no|nr|om|pa|pe|ph|pl|pm|pt|re|rs|sa|sc|se|sh|sl|so|sr|st|tc|tm|tn|to|us|vs|ye"
)
"""Endings of countries that are words, titles, units, or parts of addresses: ``done.so``, ``Cust.Id``, ``2.km``."""
_BARE = re.compile(
    "com|net|org|info|biz|app|dev|xyz|site|website|online|store|shop|tech|vip|icu|club|live|link|click|lol|top|page|bank|"
    "finance|edu|gov|mil|int|mobi|asia|aero|arpa|coop|tel|buzz|wiki|blog|wang|bid|cyou|sbs|cfd|monster|quest|"
    "xn--.*"
)
"""Longer endings that make a name a link all by itself; the rest are words, as ``today`` and ``call``."""
_OLDEST = re.compile("com|net|org")
_TITLES = re.compile("dr|er|km|md|mr|mrs|ms|prof|shri|smt|sri|st")
_ABBREVIATED_NUMBER = re.compile(r"[:/][0-9]")
_ABBREVIATION = re.compile(r"/[A-Za-z]\.[A-Za-z]")
_PATH = re.compile(r"\.?(?::[0-9]+)?(?:/[^\s]*[^\W_]|\?[^\s]*=)")
_ADDRESS = re.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])")


def domain_of(host: str, after: str) -> str | None:
    """Return as much of a dotted name as is a link with what follows it up to the next blank; None if nothing is.

    ``times.in.Please`` has no ending that exists, so that the last label is the next sentence's first word.
    """
    if _ADDRESS.fullmatch(host):
        return host if _PATH.match(after) else None
    name = host
    while not is_ending(name.rpartition(".")[2].lower()):
        name = name.rpartition(".")[0]
        if "." not in name:
            return None
    labels = name.split(".")
    shorter = (".".join(labels[:end]) for end in range(2, len(labels)))
    is_one = _is_link(name, after if name == host else "") or any(_is_link(start, "") for start in shorter)
    return name if is_one else None


def _is_link(name: str, after: str) -> bool:
    before, _, ending = name.lower().rpartition(".")
    if not is_ending(ending) or (_SENTENCES.fullmatch(ending) and before.replace(".", "").isdecimal()):
        return False
    if len(before) == 1 and _ABBREVIATION.match(after):  # M.Sc/B.Sc, B.Tech/M.Tech
        return False
    if ending == "no" and _ABBREVIATED_NUMBER.match(after):  # S.No/12, Inv.No:123/2025
        return False
    if _PATH.match(after):
        return True
    is_name = _TITLES.fullmatch(before) or (len(before) == 1 and not _OLDEST.fullmatch(ending))  # Dr.Dev, K.Li
    return _counts_bare(ending) and not is_name


def _counts_bare(ending: str) -> bool:
    if not ending.isascii():
        return True
    return not _SENTENCES.fullmatch(ending) if len(ending) == 2 else bool(_BARE.fullmatch(ending))


@lru_cache(10_000)
def is_ending(label: str) -> bool:
    """Say whether domains end so; in lower case."""
    return _suffixes().publicsuffix(label) is not None


@cache
def _suffixes() -> PublicSuffixList:
    """Read the list when somebody asks: most processes never do."""
    return PublicSuffixList(accept_unknown=False, only_icann=True)
