"""Slots in a spelling that no operator reads, and placeholders of other systems that nothing fills.

A registered text with such a word is sent with the word in it, and the recipient reads ``Dear ##name##``.
"""

import re
from typing import Final

from times_dispatch.sms.slot_rules import TAGS

_NAME = r"[ \t]{0,3}([A-Za-z_]\w{0,39})(?:[ ]{1,3}[0-9]{1,2})?[ \t]{0,3}"
_SLOT_LIKE = re.compile(
    rf"\{{[ \t]{{0,3}}[#＃]+{_NAME}[#＃]*[ \t]{{0,3}}\}}|\{{{_NAME}[#＃]+[ \t]{{0,3}}\}}|[\[(<]#+{_NAME}#+[\])>]"
    rf"|(?<![\w#])#{{1,2}}([A-Za-z_]\w{{0,39}})#{{1,2}}(?![\w#])|\{{#{_NAME}|{_NAME}#\}}"
)
"""Anything that was meant as ``{#tag#}``: blanks, missing or doubled signs, other brackets."""

_PLACEHOLDER = re.compile(
    r"\{\{[^{}\n]{1,60}\}\}"  # {{name}}, {{1}}
    r"|\$\{[^{}\n]{1,60}\}"  # ${name}
    r"|\{\0\}"  # {{#var#}}, whose outer signs would be sent
    r"|\$\$[A-Za-z]\w{0,39}"  # $$name
    r"|\{[A-Za-z_][\w. -]{0,39}\}|\{[0-9]{1,2}\}"  # {name}, {0}
    r"|\[\[[A-Za-z_]\w{0,39}\]\]"  # [[name]]; brands stand in single brackets
    r"|<%?=?[ ]?[A-Za-z_][\w .]{0,39}%?>"  # <name>, <%= name %>
    r"|##[A-Za-z_][\w -]{0,39}##|(?<![\w#])#[A-Za-z_]\w{0,39}#(?![\w#])"  # ##name##, #name#
    r"|(?<![\w%])%(?:(?:[0-9]\$)?[sd](?![\w%])|\([A-Za-z_]\w{0,39}\)[sd]|[A-Za-z_]\w{1,39}%)"  # %s, %name%
)

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
    return [match[0].replace("\0", "{#var#}") for match in _PLACEHOLDER.finditer(text)]


def _tag(word: str) -> str:
    word = _DIGITS_AT_END.sub("", word).lower().rstrip("_")
    tag = _OLD_WORDS.get(word, word)
    return tag if tag in TAGS else ""
