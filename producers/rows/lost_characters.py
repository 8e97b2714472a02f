"""Recognises texts whose characters were lost or replaced, by a wrong encoding or by the code of a web page."""

import re
from collections.abc import Callable
from html.entities import html5

_CONT = (
    "[\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013\u2014\u2018-\u201a"
    "\u201c-\u201e\u2020-\u2022\u2026\u2030\u2039\u203a\u20ac\u2122]"
)
"""A byte from 0x80 to 0xBF, read as Windows-1252 or as Latin-1."""
_SIGN = "[\u00a1-\u00a9\u00ac-\u00b4\u00b6-\u00b9\u00bc-\u00bf]"
"""The characters of ``_CONT`` that never follow a letter of a word."""
_MISREAD_UTF8 = re.compile(
    f"[\u00c2\u00c3]{_CONT}|[\u00e0\u00e2]{_CONT}{{2}}|\u00f0{_CONT}{{3}}"
    # A lone Â remains of a blank, and RenÃ of a value that was cut; programs turn Ã© into ã© in lower case.
    r"|(?<![^\W_])Â(?![^\W\d_])|(?<=[a-z])[ÂÃ](?!\w)"
    f"|(?<=[a-z])\u00e3{_SIGN}|\u00e0[\u00a4\u00a5]"
    # UTF-8 that was read in the encoding of old Macs.
    "|\u221a[\u00a2\u00a5\u00a7\u00a9\u00ae\u00b0\u00b1\u00ba\u00df\u2020\u2022\u2122\u2202\u222b\u2260\u2265]"
    "|\uff83[\uff61-\uff9f]"  # read in Shift JIS
    "|\u201a[\u00c4\u00c7]|\u2021[\u00a7\u2022]"
)
"""Bytes of UTF-8 that were read in another encoding: RenÃ©e for Renée, â€™ for an apostrophe, à¤†à¤¶à¤¾ for आशा."""
_QUESTION_MARKS = re.compile(
    r"(?:^|(?<=\s))\?{2,}(?=\s|$)|^\?$|(?<!\S)[^\W\d_]{1,40}\?{1,8}[^\W\d_]{1,40}(?!\S)"  # ????, Ren?e
)
_ENTITY = re.compile(r"&(?:#[0-9]{1,7};|#[xX][0-9a-fA-F]{1,6};|(?:amp|nbsp|quot)\b|([A-Za-z][A-Za-z0-9]{1,30};))")
_ELEMENT = re.compile(
    r"</?(?:a|b|br|i|u|p|em|strong|span|div|font|small|big|sup|sub|ul|ol|li|table|tr|td|th|tbody|h[1-6]|hr|img|center"
    r"|html|body|head|style|script|input|button|label|o:p)(?:\s{1,3}[a-z-]{1,20}=[^<>]{0,300})?\s{0,3}/?>",
    re.IGNORECASE,
)
_ESCAPE = re.compile(
    r"\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|(?:=[89A-F][0-9A-F]){2}"  # \u0906, =E0=A4
    r"|\\r\\n|(?<=[\w.,)])\\[nrt](?![a-z])(?=\S|\Z)"  # the code of a line break or a tab
    r"|\A%20[^\W\d_][^:/?]{0,60}\Z"  # %20Asha
    r"|\A[^:/?%]{0,60}%(?:(?<=[^\W\d_]%)(?:20[^\W\d_]|2C)|[89A-Fa-f][0-9A-Fa-f]%[89A-Fa-f])"  # Asha%20Rao, no link
)


def _holds_html(text: str) -> bool:
    if "&" in text and any(not match[1] or match[1] in html5 for match in _ENTITY.finditer(text)):
        return True
    return "<" in text and _ELEMENT.search(text) is not None


MISREAD: tuple[tuple[Callable[[str], object], str], ...] = (
    (re.compile("\ufffd").search, "holds U+FFFD, which replaces a character that was lost: export the file as UTF-8"),
    (_MISREAD_UTF8.search, "was read in a wrong encoding (Ã© for é): export the file as UTF-8"),
)
"""The patterns of lost characters in any text, with the reason, which is written after the name of the text."""
LOST: tuple[tuple[Callable[[str], object], str], ...] = (
    *MISREAD,
    (_QUESTION_MARKS.search, "holds question marks instead of characters that were lost: export the file as UTF-8"),
    (_holds_html, "holds the code of a web page (&amp;, <br>) instead of characters: export the value as plain text"),
    (_ESCAPE.search, r"holds characters in the form of a program (\u0906, %20): export the value as plain text"),
)
"""The patterns of lost characters in the value of a row, with the reasons."""
