"""Finds numbers of three to seven digits: helplines (112, 1930, 155261) and the short codes of operators (56767).

Such digits are a number only after certain words: ``Call 1930``, ``SMS STOP to 56767``.
"""

import re
from collections.abc import Iterable
from typing import Final

from times_dispatch.sms.numbers import DIGIT_TABLE
from times_dispatch.sms.rules.callback_words import (
    AFTER_HELPLINES,
    BETWEEN,
    CALL_AFTER_NUMBER,
    CALL_IMPERATIVES,
    HELPLINES_OF_WORDS,
    KNOWN_HELPLINES,
    SHORT_CODE_UNITS,
    SHORT_CODE_WORDS,
    VERBS_AFTER_NUMBER,
    any_of,
)

_KEYWORD = (
    r"(?:(?<!\w)(?-i:(?!(?:INR|RS)\b)[A-Z]{2})|[<\"'‘“]|(?<!\w)"
    r"(?:sms|message|text|keyword|stop|start|help|yes|no|block|unblock|bal|balance|out|info|join|port|cancel)(?!\w))"
)
_PAPERS = (
    *("document", "documents", "docs", "copy", "copies", "paper", "papers", "proof", "proofs", "certificate"),
    *("certificates", "form", "forms", "photo", "photos", "letter", "letters"),
)
"""The words for papers that are sent by post; in capitals such a word may be a keyword."""
_NOT_AFTER_PAPERS = "".join(rf"(?<!(?-i:\b[{word[0].upper()}{word[0]}]{word[1:]}) to)" for word in _PAPERS)
_SMS_TO = (
    rf"(?:SMS[ ](?:[^\n.;]{{1,40}}?[ ])?(?<!up )to"
    rf"|send[ ](?:[^\n.;]{{0,30}}?{_KEYWORD}[^\n.;]{{0,40}}?[ ])?(?<!up )to{_NOT_AFTER_PAPERS})"
)
"""The words before the number to which a keyword is sent; ``Send KYC documents to 400051`` is before a PIN code."""
_SENT_TO = r"(?:SMS|send|forward)[ ](?!(?:Rs|INR|Rupees|money|funds|₹)(?![a-z]))(?:[^\n.;]{1,40}?[ ])?(?<!up )to"
"""The words before a number to which something is sent; the number has not six digits, so it is no PIN code."""
PIN_DIGITS: Final = 6
"""The number of digits of a PIN code, the code of a post office in India."""
AFTER_SMS_TO = re.compile(rf"(?<![^\W_]){_SMS_TO}\s{{1,3}}\Z", re.IGNORECASE)
AFTER_SENT_TO = re.compile(rf"(?<![^\W_]){_SENT_TO}\s{{1,3}}\Z", re.IGNORECASE)
_SMS_CODE = re.compile(rf"(?<![^\W_]){_SMS_TO}\s{{1,3}}([1-9][0-9]{{2,6}})(?![0-9]|[ -][0-9])", re.IGNORECASE)
_NOTE = r"(?: \([^()\n]{1,20}\))?"
_BEFORE_HELPLINE = "|".join(
    rf"{word}(?: (?:{any_of(AFTER_HELPLINES)})[.]?){{0,2}}[ :=?\u2013-]{{1,3}}(?=(?:{'|'.join(codes)})(?![0-9]))"
    for word, codes in HELPLINES_OF_WORDS.items()
)
_REPORT = (
    r"report(?: (?:any|the|your|a|it|this|online|cyber|financial|fraud|frauds|crime|crimes|theft|loss|leak|leakage|"
    r"accident|incident|immediately|also)){1,4} (?:at|on|to)"
)
_HELPLINE = rf"(?:{any_of(KNOWN_HELPLINES)})"
_NEXT_IN_LIST = "1[0-9]{2,4}(?:/|(?![0-9]))|18[06]0[0-9]{4,7}(?![0-9])"
"""A further helpline or a toll-free number after a slash: ``1912/19120/18001234567``."""
_SHORT_CODE = re.compile(
    rf"(?<![^\W_])(?:(?:{any_of(SHORT_CODE_WORDS)}|{_REPORT}){BETWEEN}{{0,3}}(?<! for)|{_SMS_TO}"
    rf"|{_SENT_TO}(?=\s[0-9]{{4,5}}(?![0-9]))|(?:कॉल|काल) करें)"
    r"[\s:@=.\u2010-\u2015-]{1,3}[(\"']?(?!18[06]0(?![0-9](?![0-9])))(1[0-9]{2,4}|1[45][0-9]{4}|5[0-9]{4,5})(?![0-9@%+*#])"
    rf"(?!/(?!{_NEXT_IN_LIST})[0-9]|[-.,:][0-9]|[ ]?(?:/-|-|–)[ ]?[0-9]|[ ][0-9]"
    rf"|[ ]?(?:{any_of(SHORT_CODE_UNITS)})(?!\w)|,?[ ]EMI(?!\w))(?![A-Za-z])"
    r"|(?<![^\s(])(1[0-9]{2,4}|1[45][0-9]{4})(?=[ ](?:[A-Za-z]{2,12}[ ])?(?:helpline|toll[ -]?free"
    rf"(?![ ](?:{any_of(SHORT_CODE_UNITS)})(?!\w))))"
    rf"|(?<![^\s(])(1[0-9]{{2,4}}|1[45][0-9]{{4}}|5[0-9]{{4,5}})(?={_NOTE}"
    rf"(?: (?:या|और|अथवा|किंवा|आणि) [0-9]{{3,6}}{_NOTE})?"
    rf" (?:(?:{any_of(CALL_AFTER_NUMBER)}) (?:{any_of(VERBS_AFTER_NUMBER)})|{any_of(CALL_IMPERATIVES)}))"
    r"|(?<![\w/.,:-])(1[0-9]{2,4})(?=(?: ?/ ?1[0-9]{2,4})? ?/ ?18[06]0(?:[ -]?[0-9]){6,7}(?![0-9]))"
    r"|(?<![^\s(])(?<![0-9] )(?!18[06]0)(1[0-9]{2,4}|1[45][0-9]{4})"
    r"(?= (?:par|pe) (?:bhi )?(?:missed )?(?:call|dial|phone|contact) kar)"
    rf"|(?<![^\s(])({_HELPLINE})(?= (?:डायल|(?:par|pe) (?:report|complaint|shikayat)"
    r"|(?:ya|or|aur) [0-9]{3,5} (?:par|pe) |(?:पर|वर) (?:शिकायत |रिपोर्ट |तक्रार )?कर))"
    r"|(?<![^\W_])(?-i:(?!INR\b|RS\b)[A-Z]{2,12}[ ](?:[A-Z0-9]{1,12}[ ]){0,3})to[ ](5676[0-9]{1,3})"
    r"(?![0-9@%+*#])(?![-.,/:][0-9]|[ ][0-9])"
    r"|(?<![^\W_])(?:SMS|reply)[ ](?-i:(?:[A-Z0-9]{1,12}[ ]){1,4})to[ ]([2-9][0-9]{4,5})"
    r"(?![0-9@%+*#])(?![-.,/:][0-9]|[ ][0-9])"
    rf"(?![ ](?:{any_of(SHORT_CODE_UNITS)})(?!\w))"
    rf"|(?<![^\W_])(?:{_BEFORE_HELPLINE})([0-9]{{3,5}})(?![.,:-][0-9]|/(?!1[0-9]{{2}}(?![0-9/])))"
    r"(?=[ ]?(?:\Z|[.,;/|)!&\n]|[\u2013-] ?[^\W\d]|(?:or|and|for|is|if|now|immediately)(?!\w)))",
    re.IGNORECASE,
)
"""Numbers of three to six digits: helplines (112, 1930, 155261) and the short codes of operators (56767)."""
_FOLLOWING = re.compile(
    rf"(?: or | and |, ?| ?[/&] ?| या | और )(1[0-9]{{2,3}}|(?<=/)1[0-9]{{4}})(?![\w@%+*#])"
    r"(?![-.,:][0-9]|/(?!18[06]0[0-9])[0-9]|[ ][0-9])"
    rf"(?![ ]?(?:{any_of(SHORT_CODE_UNITS)})(?!\w))",
    re.IGNORECASE,
)
"""A further helpline after a short code: ``call 181 or 1091``."""
_AFTER_NUMBER = re.compile(
    rf"(?: or | ya | या | और | किंवा | ?/ ?)({_HELPLINE}|5[0-9]{{4}}|5676[0-9]{{2,3}})"
    rf"(?![\w@%+*#])(?![-.,:/][0-9]|[ ][0-9])(?![ ]?(?:{any_of(SHORT_CODE_UNITS)})(?!\w))",
    re.IGNORECASE,
)
"""A helpline or a short code after a longer number: ``call 9876543210 or 112``."""
BEFORE_SHORT_CODES: Final = tuple(
    {
        *(word.lower()[:4] for word in (*SHORT_CODE_WORDS, *HELPLINES_OF_WORDS)),
        *(word.lower()[:4] for word in (*VERBS_AFTER_NUMBER, *CALL_IMPERATIVES)),
        "sms ",
        "reply ",
        "send",
        "forw",
        "5676",
        "/18",
        "/ 18",
        *(" par ", " pe ", "शिकायत", "रिपोर्ट", "तक्रार"),
    }
)
"""Parts of the words before short codes, in small letters: a text without any of these parts has no short code."""
MIN_LOCAL_DIGITS: Final = 6
"""The minimum number of digits of a landline without the area code."""


def find(text: str, lower: str, ends_of_numbers: Iterable[int] = ()) -> list[tuple[int, int]]:
    """Return the positions of the numbers of three to six digits.

    Args:
        text: the text, with ASCII digits.
        lower: the text in small letters.
        ends_of_numbers: the ends of the longer numbers in the text; a helpline may follow one of them.
    """
    spans = [match.span(1) for end in ends_of_numbers if (match := _AFTER_NUMBER.match(text, end))]
    if not may_contain(text, lower):
        return spans
    for match in _SHORT_CODE.finditer(text):
        spans.append(match.span(match.lastindex or 0))
        while following := _FOLLOWING.match(text, spans[-1][1]):
            spans.append(following.span(1))
    return list(dict.fromkeys(spans))


def may_contain(text: str, lower: str) -> bool:
    """Return whether ``find`` finds a number; the arguments are the same."""
    for word in BEFORE_SHORT_CODES:  # any() with a generator takes twice the time
        if word in lower:
            return _SHORT_CODE.search(text) is not None
    return False


def exempt_from_whitelist(text: str) -> list[str]:
    """Return the numbers of three to seven digits that no portal accepts in its whitelist: 1930, 567676.

    Portals accept mobiles, landlines, toll-free numbers and the series 140 and 160, of 8 digits and more. A number of
    six or seven digits may be a landline without the area code, unless an SMS is sent to the number or the number
    begins with 1.
    """
    ascii_digits = text if text.isascii() else text.translate(DIGIT_TABLE)
    spans = [match.span(match.lastindex or 0) for match in _SHORT_CODE.finditer(ascii_digits)]
    called = [span for span in spans if span[1] - span[0] < MIN_LOCAL_DIGITS or ascii_digits[span[0]] == "1"]
    return [text[slice(*span)] for span in (*called, *(match.span(1) for match in _SMS_CODE.finditer(ascii_digits)))]
