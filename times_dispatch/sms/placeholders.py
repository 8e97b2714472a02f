"""Slots in a spelling that no operator reads, and placeholders of other systems that nothing fills.

A registered text with such a word is sent with the word in it, and the recipient reads ``Dear ##name##``. The same
forms are found in the values of rows: an export that nobody merged holds ``##name##`` in place of a name.
"""

import re
from typing import Final

from times_dispatch.sms.field_names import is_field_name
from times_dispatch.sms.slot_rules import TAGS

_NAME = r"[ \t]{0,3}([A-Za-z_]\w{0,39})(?:[ ]{1,3}[0-9]{1,2})?[ \t]{0,3}"
_SLOT_LIKE = re.compile(
    rf"\{{[ \t]{{0,3}}[#＃]+{_NAME}[#＃]*[ \t]{{0,3}}\}}|\{{{_NAME}[#＃]+[ \t]{{0,3}}\}}|[\[(<]#+{_NAME}#+[\])>]"
    rf"|(?<![\w#])#{{1,2}}([A-Za-z_]\w{{0,39}})#{{1,2}}(?![\w#])|\{{#{_NAME}|{_NAME}#\}}"
)
"""Anything that was meant as ``{#tag#}``: blanks, missing or doubled signs, other brackets."""

_WORD = r"[^\W\d][\w.-]{0,39}"
_WORDS = r"[^\W\d][\w .-]{0,39}"
_ANY_NAME = (
    r"\{\{[^{}\n]{1,60}\}\}"  # {{name}}, {{1}}
    r"|[$@%]\{[^{}\n]{1,60}\}|\$\([^\W\d][^()\n]{0,59}\)"  # ${name}, $(name)
    r"|\{%[^{}%\n]{1,60}%\}"  # {%name%}
    r"|\{\0\}"  # {{#var#}}, whose outer signs would be sent
    r"|\{[A-Za-z_][\w. -]{0,39}\}|\{[0-9]{1,2}\}"  # {name}, {0}
    r"|\$\$[A-Za-z]\w{0,39}"  # $$name
    rf"|\[\[{_WORDS}\]\]|\[[%*@$=]{{1,2}}{_WORD}[%*@$=]{{0,2}}\]"  # [[name]], [%name%]
    rf"|<<{_WORDS}>>|<%?=?[ ]?{_WORD}[ ]?%?>|<[%=][^<>\n]{{1,60}}>"  # <<name>>, <name>, <%= name %>
    rf"|##\w[\w .-]{{0,39}}##|(?<![\w#])#{_WORD}#(?![\w#])"  # ##name##, #name#
    r"|(?<![\w%])%(?:(?:[0-9]\$)?[sd](?![\w%])|\([A-Za-z_][\w ]{0,39}\)[sd]|[^\W\d]\w{1,39}%(?!\w))"  # %s, %name%
    rf"|%%{_WORDS}%%|@@{_WORDS}@@|\|\|{_WORDS}\|\|"  # %%name%%, @@name@@, ||name||
    r"|\*\|[^|\n]{1,60}\|\*"  # *|NAME|*
)
"""The forms that are placeholders whatever name stands between the signs."""
_NAME_OF_FIELD = (
    rf"\[({_WORDS})\]|<({_WORDS})>"  # [name], <first name>; brands stand in brackets too
    r"|(?<![\w$])\$([A-Za-z_]\w{0,39})(?![\w$])"  # $name; a stock is $AAPL
    rf"|(?<![\w#])#({_WORDS})#(?![\w#])"  # #first name#
    r"|(?<!\w)__([^\W\d_](?:_?[^\W_]){0,39})__(?!\w)"  # __name__; programs write bold words so
    rf"|\|({_WORDS})\||~~({_WORDS})~~|\*\*({_WORDS})\*\*"  # |name|, ~~name~~
)
"""The forms that are placeholders if the name between the signs is that of a field, as ``first name``."""
_FIELD_ALONE = rf"[\[<]({_WORDS})\Z|\A[@%&^~]{{1,2}}({_WORDS})\Z"
"""Forms of a field's name that only a value has: unclosed at its end, or with signs on one side and nothing else."""
_ANY_IN_VALUE = (
    r"\{[^{}]{0,200}\}|\{[ ]?[^\W\d]|[^\W\d][ ]?\}"  # {anything}, {name, name}
    r"|\A\[[^\W\d][\w .-]{1,39}\]\Z"  # [anything] alone
    r"|«[^«»]{1,60}»"
    r"|(?<!\w)_{3,}+(?!\w)"  # a line to write on
    r"|\A[Xx]{3,}+(?:[ -][Xx]{2,}+)*+\Z|\A[^\d\n]{0,60}?(?<!\w)[Xx]{4,}+(?!\w)(?![^\n]*\d)"  # XXXX; not XXXX1234
)
"""Forms that a registered text may rightly hold, and a value does not."""

_PLACEHOLDER = re.compile(_ANY_NAME)
_FIELD = re.compile(_NAME_OF_FIELD)
_PLACEHOLDER_IN_VALUE = re.compile(f"{_ANY_NAME}|{_ANY_IN_VALUE}")
_FIELD_IN_VALUE = re.compile(f"{_NAME_OF_FIELD}|{_FIELD_ALONE}")

_DIGITS_AT_END = re.compile(r"_?[0-9]+\Z")
_OLD_WORDS: Final = {
    "variable": "var",
    "vars": "var",
    "value": "var",
    "val": "var",
    "alpha": "alp",
    "alphanum": "alp",
    "alpha_numeric": "alphanumeric",
    "int": "num",
    "digits": "num",
    "link": "url",
    "mobile": "cbn",
    "phone": "cbn",
    "mail": "email",
}
"""Words that people write between the signs instead of a tag, and the tag that they mean."""


def right_spelling(text: str) -> str:
    """Return ``write {#var#} for {# var #}`` for the first slot in a text with a wrong spelling; else an empty text.

    A word that is no tag is not corrected: nobody knows which tag is meant.
    """
    for match in _SLOT_LIKE.finditer(text):
        tag = _tag(next(filter(None, match.groups()), ""))
        if tag and match[0].strip() != f"{{#{tag}#}}":
            return f"write {{#{tag}#}} for {' '.join(match[0].split())}"
    return ""


def unfilled(text: str) -> list[str]:
    """Return the parts of a text that look like placeholders which nothing fills; a NUL stands for each slot."""
    spans = [match.span() for match in _PLACEHOLDER.finditer(text)]
    for match in _FIELD.finditer(text):
        start, end = match.span()
        if _names_field(match) and not any(first < end and start < last for first, last in spans):
            spans.append((start, end))
    return [text[start:end].replace("\0", "{#var#}") for start, end in sorted(spans)]


def is_unfilled(value: str) -> bool:
    """Say whether the value of a row holds a placeholder that nobody filled, also one that is not closed."""
    return _PLACEHOLDER_IN_VALUE.search(value) is not None or any(map(_names_field, _FIELD_IN_VALUE.finditer(value)))


def _names_field(match: re.Match[str]) -> bool:
    return is_field_name(match[match.lastindex or 0])


def _tag(word: str) -> str:
    word = _DIGITS_AT_END.sub("", word).lower().rstrip("_")
    tag = _OLD_WORDS.get(word, word)
    return tag if tag in TAGS else ""
