"""Finds slots in a spelling that no operator accepts, and placeholders of other systems, which no code fills.

A registered text with such a placeholder is sent unchanged, and the recipient reads ``Dear ##name##``.
"""

import re
from typing import Final

from times_dispatch.sms.field_names import is_field_name
from times_dispatch.sms.slot_rules import TAGS

_WORDS = r"[A-Za-z_]\w{0,39}+(?:[ -]{1,3}\w{1,40}+){0,3}+"
_NAME = rf"[ \t]{{0,3}}({_WORDS})[ \t]{{0,3}}"
_SLOT_LIKE = re.compile(
    rf"\{{[ \t]{{0,3}}[#＃]+{_NAME}[#＃]*[ \t]{{0,3}}\}}|\{{{_NAME}[#＃]+[ \t]{{0,3}}\}}|[\[(<]#+{_NAME}#+[\])>]"
    rf"|(?<![\w#])#{{1,2}}([A-Za-z_]\w{{0,39}})#{{1,2}}(?![\w#])|\{{#{_NAME}|(?<![\w#]){_NAME}#\}}"
    r"|(?<![\w#&/])#((?i:var|variable))[ _]?[0-9]{0,2}(?![\w#])"
)
"""Misspelled forms of ``{#tag#}``: with blanks, missing or doubled signs, or other brackets."""

_VALUE_WORDS = (
    "var|variable|value|name|(?:first|last|full|user)[ _-]?name|cust(?:omer)?[ _-]?(?:name|id)"
    "|otp|code|date|time|amount|amt|link|url|mobile|phone|number|order[ _-]?(?:id|no)|ref(?:erence)?[ _-]?(?:id|no)"
    "|text"
    "|insert[ ][A-Za-z ]{1,30}|your[ _]name|company(?:[ _]name)?|brand(?:[ _]name)?|product(?:[ _]name)?|field|x{1,8}"
)
"""The words in brackets or between signs that stand for a value; brands stand in brackets too: ``[TIMES]``."""
_FIELD_WORD = r"[^\W\d][\w.-]{0,39}"
_FIELD_WORDS = r"[^\W\d][\w .-]{0,39}"
_ANY_NAME = (
    r"\{\{[^{}\n]{1,60}\}\}"  # {{name}}, {{1}}
    r"|[$@%]\{[^{}\n]{1,60}\}|\$\([^\W\d][^()\n]{0,59}\)"  # ${name}, $(name)
    r"|\{%[^{}%\n]{1,60}%\}"  # {%name%}
    r"|\$\$[A-Za-z]\w{0,39}"  # $$name
    rf"|\[\[{_FIELD_WORDS}\]\]|\[[%*@$=]{{1,2}}{_FIELD_WORD}[%*@$=]{{0,2}}\]"  # [[name]], [%name%]
    rf"|<<{_FIELD_WORDS}>>|<%?=?[ ]?{_FIELD_WORD}[ ]?%?>|<[%=][^<>\n]{{1,60}}>"  # <<name>>, <name>, <%= name %>
    rf"|##\w[\w .-]{{0,39}}##|(?<![\w#])#{_FIELD_WORD}#(?![\w#])"  # ##name##, #name#
    r"|(?<![\w%])%(?:(?:[0-9]\$)?[sd](?![\w%])|@(?![\w%])|\.[0-9]{1,2}f(?!\w)"
    r"|-?[0-9]{1,2}(?:\.[0-9]{1,2})?[sdf](?![\w%])|\([A-Za-z_][\w ]{0,39}\)[sd]|[^\W\d]\w{1,39}%(?!\w))"  # %s, %name%
    rf"|%%{_FIELD_WORDS}%%|@@{_FIELD_WORDS}@@|\|\|{_FIELD_WORDS}\|\|"  # %%name%%, @@name@@, ||name||
    r"|\*\|[^|\n]{1,60}\|\*|\|\*[^|\n]{1,60}\*\|"  # *|NAME|*
    r"|\[%[^%\n]{1,60}%\]|%%=[^\n]{1,60}=%%"  # [% name %], %%=v(@name)=%%
)
"""The forms that are placeholders with any name between the signs, in a value and in a registered text."""
_ANY_IN_TEXT = (
    r"\{\0\}?|\0\}"  # {{#var#}}, whose outer signs would be sent
    r"|\{[A-Za-z_][\w. -]{0,39}\}|\{[0-9]{1,2}\}|\{[!%][^{}\n]{1,60}\}"  # {name}, {0}, {!Name}
    r"|<%?=?[ ]?[A-Za-z_][\w .]{0,39}%?>|«[^«»\n]{1,40}»"  # <first name>, «name»
    r"|(?<![\w$])\$(?!(?:USD|AUD|CAD|NZD|SGD|HKD)\b)[A-Za-z_]\w{1,39}\$?"  # $name
    r"|(?<![\w@])@[A-Za-z_]\w{0,39}@(?![\w@])|\|\|[ ]?[A-Za-z_][\w -]{0,39}\|\|"  # @name@, || name||
    rf"|\[(?i:{_VALUE_WORDS})[ _]?[0-9]{{0,2}}\]|\((?i:var|variable)[ _]?[0-9]{{0,2}}\)"  # [VAR], [Name]
    rf"|(?<![\w~^|])(?P<sign>[~^|]|__)(?i:{_VALUE_WORDS})[0-9]{{0,2}}(?P=sign)(?![\w~^|])"  # ~name~, |name|
    r"|(?<![\w*/=-])(?<![0-9*][ .-])(?:X{3,}+|x{4,}+)(?:[ ]X{3,}+)*+(?![\w*\0/]|[ -]{1,2}[0-9*\0]|-X|\.\w)"  # XXXX
    r"|(?<![\w/-])(?:XX|DD|dd|MM|mm)(?P<slash>[/-])(?:XX|MM|mm|DD|dd)(?P=slash)(?:XX|YY|yy){1,2}(?![\w/-])"  # dd/mm/yy
    r"|(?<!\S)\?{3,}(?=[\s.,;:!]|\Z)|(?<![\w_])_{3,}(?![\w_])"  # ????, ____
)
"""Further forms that are placeholders in a registered text."""
_NAME_OF_FIELD = (
    rf"\[({_FIELD_WORDS})\]|<({_FIELD_WORDS})>"  # [name], <first name>; brands stand in brackets too
    r"|(?<![\w$])\$([A-Za-z_]\w{0,39})(?![\w$])"  # $name; a stock is $AAPL
    rf"|(?<![\w#])#({_FIELD_WORDS})#(?![\w#])"  # #first name#
    r"|(?<!\w)__([^\W\d_](?:_?[^\W_]){0,39})__(?!\w)"  # __name__; programs write bold words so
    rf"|\|({_FIELD_WORDS})\||~~({_FIELD_WORDS})~~|\*\*({_FIELD_WORDS})\*\*"  # |name|, ~~name~~
)
"""The forms that are placeholders if the name between the signs is the name of a field, such as ``first name``."""
_FIELD_ALONE = (
    rf"\A@(?:Model|Profile|Event|User|Contact)(?:\.| - )({_FIELD_WORDS})\Z|\A\(\(?({_FIELD_WORDS})\)?\)\Z"
    rf"|[\[<]({_FIELD_WORDS})\Z|\A[@%&^~:|]{{1,2}}({_FIELD_WORDS})\Z"
    r"|\A((?i:first|last|full|customer|client|your|insert|enter)(?:[ _-]?(?i:name)){1,2}(?:[ _-]?(?i:here))?)\Z"
    r"|\A((?i:first[ _-]?name)) (?i:last[ _-]?name)\Z|\A((?i:name)) (?i:here)\Z"
    r"|\A(?P<around>[$~^!:&=_])([^\W\d](?:[\w .-]{0,38}[^\W_])?)(?P=around)\Z"  # $NAME$, ^name^
    rf"|\A(?P<pair>::|==|--|&&|\*\*)({_FIELD_WORDS})(?P=pair)\Z|\A!\*({_FIELD_WORDS})\*!\Z|\A##({_FIELD_WORDS})\Z"
    r"|\A([^\W\d_]{1,20}_(?i:name))\Z"  # FIRST_NAME
)
"""The forms of a field's name that count only if they are a whole value: unclosed, between two equal signs, after a
sign, or in the spelling of a program.
"""
_BRACKETED_WORDS = (
    "(?i:(?:insert|enter|your|customer|patient|student)[ _][a-z ]{2,30}|branch|landmark|area|state|district|pin ?code"
    "|doctor|hospital|school|class|section|title|salutation|gender|dob|age|slot|venue|event|location|store|shop|agent"
    "|driver|vehicle|course|batch|month|day|year|department|designation|discount|offer|coupon|points|service|bank"
    "|dealer|centre|center|token|balance|bill|signature|reason|status|placeholder)[ _]?[0-9]{0,2}"
)
"""Further names of fields, which are placeholders in square brackets; ``[Gold]`` and ``[VIP]`` are values."""
_FIELD_NOUNS = "name|id|no|number|date|time|amount|code|address|manager|link|url"
_BRACKETED_NAMES = (
    rf"(?:[A-Za-z]{{1,20}}[ _]){{1,3}}(?i:{_FIELD_NOUNS})"  # [Branch Name], [Reg No]
    rf"|(?:[A-Z][a-z]{{1,20}}){{1,3}}(?:ID|{'|'.join(map(str.title, _FIELD_NOUNS.split('|')))})"  # [BranchName]
    r"|[^\W\d][^\W_]{0,19}(?:[_.][^\W_]{1,20}){1,3}"  # [customer_city]
    "|[a-z]{2,20}(?:[A-Z][a-z]{1,20}){1,3}"  # [pickupTime]
)
"""Names of fields of several words: the last word says what the field holds, or a program wrote the name."""
_ANY_IN_VALUE = (
    r"\{[^{}]{0,200}\}|\{[ ]?[^\W\d]|[^\W\d][ ]?\}"  # {anything}, {name, name}
    rf"|\A\[(?:{_BRACKETED_WORDS}|{_BRACKETED_NAMES})\]\Z"
    r"|\{[#＃]|[#＃]\}"  # a slot that is cut: {#var
    r"|(?<![\w#&/])#(?i:var|variable)[ _]?[0-9]{0,2}(?![\w#])"  # #VAR1
    r"|«[^«»]{1,60}»|¤[^¤\n]{1,60}¤|\[\[[^\[\]\n]{1,60}\]\]"
    r"|(?<![\w@])@[A-Za-z_]\w{0,39}@(?![\w@])"
    r"|(?<![\w/-])(?:XX|DD|dd|MM|mm)[/-](?:XX|MMM?|mmm?|Mmm|DD|dd)[/-](?:XX|YY|yy){1,2}(?![\w/-])"  # DD/MM/YYYY
    r"|\A(?:YYYY[/-]MM[/-]DD|yyyy[/-](?:mm|MM)[/-]dd|(?:hh|HH):(?:mm|MM)(?::ss|:SS)?)\Z"
    r"|(?<!\w)_{3,}+(?!\w)"  # a line to write on
    r"|\A%[iuv]\Z|\A(?:VAR|var|Var)[1-9]\Z|\A(?i:rs\.?) X{3}\Z|\A(?:DD|dd)[. ](?:MM|mm){1,2}M?m?[. ](?:YYYY|yyyy)\Z"
    r"|\A[Xx]{3,16}+(?:[ -][Xx]{2,16}+){0,5}+\Z"
    r"|\A[^\d\n]{0,60}?(?<!\w)[Xx]{4,16}+(?!\w)(?![^\n]*\d)"  # XXXX; not XXXX1234
)
"""Further forms that are placeholders in a value, but may stand in a registered text."""
_TEXT_PLACEHOLDER = re.compile(f"{_ANY_NAME}|{_ANY_IN_TEXT}")
_VALUE_PLACEHOLDER = re.compile(f"{_ANY_NAME}|{_ANY_IN_VALUE}")
_VALUE_FIELD = re.compile(f"{_NAME_OF_FIELD}|{_FIELD_ALONE}")

_FULL_WIDTH = str.maketrans("｛｝＃［］＜＞％＄＠", "{}#[]<>%$@")
_DIGITS_AT_END = re.compile(r"(?:(?<![_ -])[_ -]++|(?<![0-9_ -]))[0-9]++\Z")
_BETWEEN_WORDS = re.compile(r"[\W_]+|(?<=[a-z])(?=[A-Z])")
_MEANT: Final = {
    "url": "url link links website web site weblink shorturl shortlink urls",
    "urlott": "app apk ott applink",
    "cbn": "callback mobile phone tel telephone helpline tollfree landline whatsapp contact mob "
    "callbacknumber callbackno callno call",
    "email": "mail emailid mailid",
    "num": "otp amount amt pin code passcode balance bal total price due emi fee quantity qty count digit digits int "
    "integer numeral points age year marks percent cash rupees rs inr otpcode verification days minutes",
    "alp": "alpha alphanum alphanumerical string text name date time day month ref reference id order customer user "
    "username account ac acc address city place branch vehicle policy invoice bill product item status remark remarks "
    "month otpid txn txnid transaction utr rrn slot title company brand student doctor datetime password first last",
    "var": "variable vars value val field param parameter placeholder data input x",
}
"""The words that people write between the signs instead of a tag, by the intended tag. If one placeholder has several
words, the first tag in this table decides: ``{#callback number#}``.
"""
_TAG_OF_WORD: Final = {word: tag for tag, words in reversed(_MEANT.items()) for word in words.split()}
_RANK: Final = {tag: rank for rank, tag in enumerate(_MEANT)}
_OR_ALPHANUMERIC: Final = frozenset({"amount", "amt", "balance", "bal", "price", "total", "due", "code", "passcode"})
_LONG_OR_UNTYPED: Final = frozenset({*TAGS, *_MEANT["var"].split(), "link", "mobile", "phone", "mail"})


def right_spelling(text: str) -> str:
    """Return ``write {#var#} for {# var #}`` for the first misspelled slot in a text; otherwise an empty text.

    A slot whose word names no value, such as ``{#foo#}``, is not corrected, because the intended tag is unknown.
    """
    for match in _SLOT_LIKE.finditer(_narrow(text)):
        words = next(filter(None, match.groups()), "")
        tag = _tag(words)
        if match[0].startswith("#") and tag and _LONG_OR_UNTYPED.isdisjoint(_split(words)):
            continue  # ##name## is a placeholder of another system
        if tag and text[slice(*match.span())].strip() != f"{{#{tag}#}}":
            may_be_text = tag == "num" and not _OR_ALPHANUMERIC.isdisjoint(_split(words))
            other = ", or {#alp#} if the values are not all digits" if may_be_text else ""
            return f"write {{#{tag}#}} for {' '.join(text[slice(*match.span())].split())}{other}"
    return ""


def unfilled(text: str) -> list[str]:
    """Return the parts of a text that look like placeholders of other systems; each slot in the text is a NUL."""
    matches = _TEXT_PLACEHOLDER.finditer(_narrow(text))
    return [text[slice(*match.span())].replace("\0", "{#var#}") for match in matches]


def is_unfilled(value: str) -> bool:
    """Say whether the value of a row holds an unfilled placeholder, even if the placeholder is not closed.

    More forms count in a value than in a registered text, because a value has no reason to hold braces. But names in
    single signs must be names of fields, because $AAPL is a stock and [TIMES] a brand.
    """
    value = _narrow(value)
    return _VALUE_PLACEHOLDER.search(value) is not None or any(
        is_field_name(match[match.lastindex or 0]) for match in _VALUE_FIELD.finditer(value)
    )


def _narrow(text: str) -> str:
    """Return a text with ASCII signs instead of full-width signs, with the same length."""
    return text if text.isascii() else text.translate(_FULL_WIDTH)


def _split(words: str) -> list[str]:
    return [word.lower() for word in _BETWEEN_WORDS.split(_DIGITS_AT_END.sub("", words)) if word]


def _tag(words: str) -> str:
    parts = _split(words)
    joined = "".join(parts)
    if joined in TAGS:
        return joined
    if joined in _TAG_OF_WORD:
        return _TAG_OF_WORD[joined]
    tags = [_TAG_OF_WORD.get(part, part) for part in parts]
    known = [tag for tag in tags if tag in TAGS]
    return min(known, key=lambda tag: _RANK.get(tag, len(_RANK)), default="")
