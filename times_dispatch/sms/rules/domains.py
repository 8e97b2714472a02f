"""Finds domains in a text, and distinguishes ``evil.ru`` from a sentence without a blank, such as ``done.so``.

The installed Public Suffix List (publicsuffix.org) has the endings of domains.
"""

import re
from functools import cache, lru_cache
from unicodedata import category

from publicsuffixlist import PublicSuffixList

_WORD_ENDINGS = re.compile(
    "ac|ad|al|am|an|ar|as|at|be|by|ca|cd|cm|cr|do|et|gm|go|hm|hr|id|is|it|ke|kg|ki|km|la|lb|ma|md|mg|mh|ml|mm|"
    "mp|mr|ms|my|na|ne|nl|no|nr|om|pa|pe|ph|pl|pm|pt|re|rs|sa|sc|se|sh|sl|so|sr|st|tc|tm|tn|to|us|vs|ye"
)
"""The endings of countries that are also words, titles, units or parts of addresses: ``done.so``, ``Cust.Id``,
``2.km``.
"""
_LINK_ENDINGS = re.compile(
    "com|net|org|info|biz|app|dev|xyz|site|website|online|store|shop|tech|vip|icu|club|live|link|click|lol|top|page|bank|"
    "finance|edu|gov|mil|int|mobi|asia|aero|arpa|coop|tel|buzz|wiki|blog|wang|bid|cyou|sbs|cfd|monster|quest|"
    "xn--.*"
)
"""The longer endings that make a name a link even in capitals, such as ``TIMES.SHOP``; other endings only in small
letters.
"""
_OLDEST = re.compile("com|net|org")
_ABBREVIATIONS = re.compile(
    "acct|adv|amt|apt|asst|bldg|capt|cust|dept|dist|dr|er|ext|govt|hon|inv|jr|km|ltd|maj|md|mfg|mgr|mob|mr|mrs|ms|nr|"
    "opp|prof|pvt|ref|rev|sec|shri|smt|sr|sri|st|tal|tel|vill"
)
"""The words that end with a full stop: ``Dr.Dev``, ``Opp.Bank``."""
_DATES = re.compile(
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    "|nov(?:ember)?|dec(?:ember)?|mon(?:day)?|tue(?:s|sday)?|wed(?:nesday)?|thu(?:rs|rsday)?|fri(?:day)?|sat(?:urday)?"
    "|sun(?:day)?|[0-9]{1,2}(?:am|pm|st|nd|rd|th|hrs?)?|20[0-9]{2}|am|pm"
)
"""The words before a full stop after which ``in`` begins a sentence: ``valid till 28 Feb.in stores``."""
_SHORT_HOSTS = frozenset(
    (
        *("t.co", "t.me", "m.me", "g.co", "v.gd", "t.ly", "u.nu", "j.mp", "wp.me", "tr.im", "amzn.to", "youtu.be"),
        *("fkrt.it", "phon.pe", "onelink.to", "shorturl.at", "nyk.sh", "redd.it", "kutt.it", "chilp.it", "goo.by"),
        *("tiny.pl", "myntr.it", "shope.ee", "ajio.me"),
    )
)
"""The hosts of short links that are links even without a path, although the ending is a word or the name is one
letter.
"""
_DEGREES = re.compile("[bdhmBDHM][.](?:Com|COM)")
"""``B.Com`` is a degree, and ``b.com`` a domain."""
_ABBREVIATED_NUMBER = re.compile(r"[:/][0-9]")
_ABBREVIATION = re.compile(r"/[A-Za-z]\.[A-Za-z]")
_PATH = re.compile(r"\.?(?::[0-9]+)?(?:/[^\s]*[^\W_]|\?[^\s]*=)")
_PORT_OR_SLASH = re.compile(r"(?::[0-9]{2,5}/?|/)(?![\w/-])")
_ADDRESS = re.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])")


def domain_of(host: str, after: str) -> str | None:
    """Return the part of a dotted name that a phone turns into a link; None if there is no such part.

    For ``times.in.Please`` the result is ``times.in``: no domain ends with ``Please``, a word of the next sentence.

    Args:
        host: labels with dots between them.
        after: the text between the name and the next blank.
    """
    if host[0].isdecimal() and _ADDRESS.fullmatch(host):
        return host if _PATH.match(after) or _PORT_OR_SLASH.match(after) else None
    if host in _SHORT_HOSTS:
        return host
    labels = host.split(".")
    size = len(labels)
    while size > 1 and not is_public_suffix(labels[size - 1].lower()):
        size -= 1
        ending, dash, _ = labels[size].partition("-")
        if dash and is_public_suffix(ending.lower()):
            return domain_of(".".join([*labels[:size], ending]), "")  # times.co.in-TIMES, a name and a brand
    if size < 2:
        return None
    is_whole = size == len(labels)
    before_is_decimal = labels[0].isdecimal()
    for end in range(2, size + 1):
        first = labels[0] if end == 2 else ""
        if _is_link(first, labels[end - 1], after if end == size and is_whole else "", before_is_decimal):
            return host if is_whole else ".".join(labels[:size])
        before_is_decimal = before_is_decimal and labels[end - 1].isdecimal()
    return None


def _is_link(first: str, written_ending: str, after: str, before_is_decimal: bool) -> bool:
    """Say whether a name is a link.

    Args:
        first: the label before the ending if there is no other label; otherwise empty.
        written_ending: the last label.
        after: the text between the name and the next blank.
        before_is_decimal: whether the labels before the ending have only digits.
    """
    ending = written_ending.lower()
    if not is_public_suffix(ending) or (before_is_decimal and _WORD_ENDINGS.fullmatch(ending)):
        return False
    is_letter = len(first) == 1 and first.isascii()
    if is_letter and (_ABBREVIATION.match(after) or _DEGREES.fullmatch(f"{first}.{written_ending}")):
        return False  # M.Sc/B.Sc, B.Tech/M.Tech, B.Com
    if ending == "no" and _ABBREVIATED_NUMBER.match(after):  # S.No/12, Inv.No:123/2025
        return False
    if _PATH.match(after):
        return True
    is_date = ending == "in" and _DATES.fullmatch(first.lower()) and not _PORT_OR_SLASH.match(after)
    is_initial = is_letter and not _OLDEST.fullmatch(ending)  # K.Li
    if is_date or is_initial or _ABBREVIATIONS.fullmatch(first.lower()) or _is_begin_of_sentence(written_ending):
        return False
    return _is_link_without_path(written_ending) or _PORT_OR_SLASH.match(after) is not None or _has_symbol(first)


def _has_symbol(label: str) -> bool:
    return any(category(character) == "So" for character in label)


def _is_begin_of_sentence(ending: str) -> bool:
    """Say whether an ending is written like the first word of a sentence, as in ``paid.In case``.

    Phones recognise endings in small letters. Brands write ``Times.Com``, and no sentence begins with com, net or org.
    """
    return ending.istitle() and not _OLDEST.fullmatch(ending.lower())


def _is_link_without_path(written_ending: str) -> bool:
    ending = written_ending.lower()
    if not ending.isascii():
        return True
    if len(ending) == 2:
        return not _WORD_ENDINGS.fullmatch(ending)
    return written_ending == ending or _LINK_ENDINGS.fullmatch(ending) is not None


@lru_cache(10_000)
def is_public_suffix(label: str) -> bool:
    """Return whether a label in lower case is an ending of domains."""
    return _suffixes().publicsuffix(label) is not None


@cache
def _suffixes() -> PublicSuffixList:
    """Load the list at its first use: most processes never need it."""
    return PublicSuffixList(accept_unknown=False, only_icann=True)
