"""Finds the phone numbers in a text (docs/domain.md section 5); ``number_whitelist`` has the allowed numbers.

A number is recognised in every grouping that people write and at every position: after ``Call:``, glued to a word,
after another number and a slash, in the digits of Indian scripts. ``callback_words`` has the words that distinguish a
number to call from an id or an amount.
"""

import re
from collections.abc import Iterable, Iterator
from string import ascii_lowercase
from typing import NamedTuple

from times_dispatch.sms.rules import number_forms, number_neighbours, number_signs, short_codes
from times_dispatch.sms.rules.callback_words import (
    AFTER_AMOUNT_WORD,
    AFTER_BOOKING_WORD,
    AFTER_CALL_WORD,
    AFTER_CALL_WORD_AND_NAME,
    AFTER_CURRENCY,
    AFTER_ID_WORD,
    CALL_WORDS,
    GLUE_WORDS,
    MIN_DIGITS_OF_NO_AMOUNT,
    UNIT_WORDS,
    any_of,
    is_after_call_word,
    is_after_id_word,
    line_before,
    named_number,
)
from times_dispatch.sms.rules.short_codes import (
    AFTER_SENT_TO,
    AFTER_SMS_TO,
    BEFORE_SHORT_CODES,
    MIN_LOCAL_DIGITS,
    PIN_DIGITS,
)

_SEPARATOR = number_neighbours.SEPARATOR
_MAX_DIGITS = 15
_MAX_GROUPS = 13

_GLUED = "|".join(
    [
        *(f"(?<={re.escape(word)})" for word in sorted({*CALL_WORDS, *GLUE_WORDS}, key=len, reverse=True)),
        *(rf"(?<={re.escape(word)}[=_#&])" for word in sorted(CALL_WORDS, key=len, reverse=True)),
    ]
)
_BEGINS = (
    r"(?:(?<![A-Za-z0-9_#=%&$₹+(])|(?<=[A-Za-z])(?=[(]|[+]91)|(?<=91_)|(?<=[0-9]&)(?=[6-9])"
    rf"|(?<=\bM)(?=[6-9])|(?<=\b[TP])(?=0)|{_GLUED})"
)
"""A number does not begin within a word, an id or a query, but may be glued to a word to call or its first letter, and
in brackets or with a country code to any word: ``Mr.Rao(9876543210)``."""
_RUN = re.compile(rf"(?=[+(0-9]){_BEGINS}[+(]{{0,2}}[0-9]+(?:{_SEPARATOR}{{1,3}}[0-9]+)*", re.IGNORECASE)
_GROUP = re.compile("[0-9]+")
_MORE = rf"(?:{_SEPARATOR}{{0,3}}+[0-9])"
# This pattern matches in every number that stands alone, and in hardly any other value. The pattern matches the first
# character before the text around this character, so that the search skips other characters quickly.
_MAYBE_ALONE = re.compile(
    rf"[0-9+(](?<![0-9].)(?:(?<=[6-9]){_MORE}{{9}}(?![0-9])|(?<=0){_MORE}{{10}}|(?<=9)1{_MORE}{{10}}"
    rf"|(?<=[+])[(]?[0-9]{_MORE}{{7}}|(?<=[(])0?[1-8]{_MORE}{{9}}|(?<=1)[46]0{_MORE}{{7}}"
    rf"|(?<=1){_SEPARATOR}{{0,2}}8(?:0{_SEPARATOR}?[03]|60){_MORE}{{4}}|(?:(?<=0)|(?<=9)1){_SEPARATOR}{{0,2}}18[06]0{_MORE}{{4}}"
    r"|(?<=[1-8])[0-9]{1,3}[)\u2013-][ ]?[0-9]{3,4}[ ]?[0-9]{3,4}(?![0-9-]))"
)
# This faster pattern also matches in every number that stands alone; the next pattern matches in every other number.
_EIGHT_DIGITS = re.compile(rf"[0-9](?<![0-9].){_MORE}{{7}}")
_THREE_DIGITS = re.compile(rf"[0-9]{_MORE}{{2}}")
_SIX_DIGITS = re.compile(rf"[0-9](?<![0-9].){_MORE}{{5}}")
_CALL_WORD = re.compile(any_of(word.lower() for word in CALL_WORDS))
_PLAIN_MOBILE = re.compile("[6-9][0-9]{9}")
_CALL_AFTER = re.compile(r"[ .,(-]{1,3}(?:(?:par |pe )?call|prefix|पर कॉल)(?![a-z])", re.IGNORECASE)
"""The words after two groups of four digits: ``2552 3344 call before coming``, ``1800 1500 par call karein``."""
_AFTER_SENTENCE = re.compile(r"[a-z]{4}[.] \Z")
_UNIT = re.compile(rf"[ ]?(?:{any_of(UNIT_WORDS)})(?!\w)", re.IGNORECASE)


def _with_letters(words: Iterable[str]) -> tuple[tuple[str, frozenset[str]], ...]:
    """Return words, each with the word's ASCII letters."""
    return tuple((word, frozenset(word).intersection(ascii_lowercase)) for word in sorted(set(words)))


_SHORT_CODES_BY_LETTERS = _with_letters(BEFORE_SHORT_CODES)
_CALL_WORDS_BY_LETTERS = _with_letters([*BEFORE_SHORT_CODES, *(word.lower() for word in CALL_WORDS)])
_OTHER_SEPARATORS = "\u00a0\u2010\u2011\u2012\u2013\u2014\u2015"
_ASCII_SEPARATORS_AND_OTHERS = b" \t\r\n.()-" + bytes(range(0x80, 0x100))
_DIGITS_AS_NOUGHTS = bytes.maketrans(b"0123456789", b"0" * 10)
_SIGNS_OF_EIGHT = "+()-"
_TOLL_FREE_ALONE = re.compile(rf"1(?<![0-9].){_SEPARATOR}{{0,2}}8(?:0{_SEPARATOR}?[03]|60){_MORE}{{4}}")
_AFTER_CASE = re.compile(
    r"(?:(?:service|complaint|roll|your|the|this|code|money|branch) ?call"
    r"|enquir(?:y|ies)|quer(?:y|ies)|(?:contact|call|phone) (?:branch|id))"
    r"(?:[ .:#-]{1,3}(?:no|number|id))?[ .:#-]{0,3}\Z",
    re.IGNORECASE,
)
"""The words before the number of a case, with which nobody can be called: ``Service call 20261128001``."""
_CASE_AFTER = re.compile(
    r"[ ](?:is|has been|was) (?:your|registered|logged|closed|resolved|received|booked|assigned|completed)(?!\w)"
    r"|[ ](?:registered|logged|closed|resolved|received|allotted|दर्ज)(?!\w)",
    re.IGNORECASE,
)
"""The words after the number of a case: ``Your call 12345678 is registered``."""
_DONE = (
    *("dispatched", "despatched", "shipped", "processed", "credited", "debited", "cancelled", "generated"),
    *("approved", "accepted", "rejected", "expired", "renewed", "installed", "inspected", "calibrated"),
    *("logged", "resolved", "allotted", "paid", "submitted"),
)
_DONE_AFTER = re.compile(rf"[ ](?:(?:is|was|has been|have been) )?(?:{'|'.join(_DONE)})(?!\w)", re.IGNORECASE)
"""The words after the number of a thing to which something was done: ``Part no 022-61606161 dispatched``."""
_REACHED_BEFORE = re.compile(r"(?:(?<![a-z])(?:from|to|on|at) |[:?] ?)\Z", re.IGNORECASE)
"""A preposition, a colon or a question mark before a number with which people can be reached."""
_ROUND_THE_CLOCK = re.compile(r"24 ?[x*/\u00d7] ?7(?![0-9])", re.IGNORECASE)
_DATED = re.compile(r"[ ](?:dated|dtd?)(?![a-z])", re.IGNORECASE)
"""The word after the number of a document: ``refill 7012345678 dated 12.10.26``."""
_SIZES_OF_LOCAL = (7, 8)
"""The numbers of digits of a landline without its area code; six digits may be a PIN code."""
_LIKE_A_NUMBER = re.compile("[0-9]{10,15}|1[0-9]{7,10}|[2-7][0-9]{5,7}|[0-9]{7,9}")
_HOURS = re.compile(r"[0-2][0-9][0-5][0-9] ?[\u2013-] ?[0-2][0-9][0-5][0-9] ?h(?:ou)?rs?(?!\w)", re.IGNORECASE)
_AMOUNT = re.compile("[0-9]+[.][0-9]{2}|[0-9]{1,3}[.][0-9]{6,9}")
_BETWEEN_NUMBERS = ("/", ",", "&", "|", "/,")
"""The signs after a number before a landline without its area code: ``022-61234567/61234568``."""


class _Run(NamedTuple):
    """Groups of digits with only blanks, dashes, dots and brackets between them."""

    text: str
    """The whole text, with ASCII digits."""
    start: int
    groups: list[tuple[int, int]]


def may_contain_numbers(text: str) -> bool:
    """Return False if ``find`` certainly finds no number. The check is fast, and nearly all values have no number."""
    return _may_contain_numbers(number_signs.as_ascii(text))


def may_many_contain_numbers(joined: str) -> bool:
    """Return False if ``may_contain_numbers`` returns False for each of many values, which are joined by NULs.

    For the usual columns of names, ids and amounts, one call is much faster than a call for each value. True means only
    that the values must be checked in smaller groups.
    """
    if not joined.isascii():
        if any(map(joined.__contains__, _OTHER_SEPARATORS)):
            return True
        joined = number_signs.as_ascii(joined)
    digits = joined.encode(errors="surrogatepass").translate(_DIGITS_AS_NOUGHTS, _ASCII_SEPARATORS_AND_OTHERS)
    if b"000" not in digits:
        return False
    if b"0" * 8 in digits and (
        # Only a toll-free number has at most eight digits and neither brackets nor a plus nor a dash.
        _TOLL_FREE_ALONE.search(joined)
        or ((b"0" * 9 in digits or any(map(joined.__contains__, _SIGNS_OF_EIGHT))) and _MAYBE_ALONE.search(joined))
    ):
        return True
    if number_signs.has_sign_after_code(joined):
        return True
    lower = joined.lower()
    if joined.isascii() and lower == joined.upper():
        return False
    letters = frozenset(filter(lower.__contains__, ascii_lowercase))
    is_long = b"0" * 6 in digits or number_signs.may_have_halves(digits)
    words = _CALL_WORDS_BY_LETTERS if is_long else _SHORT_CODES_BY_LETTERS
    return any(needed <= letters and word in lower for word, needed in words)


def find(text: str) -> list[str]:
    """Return the substrings of a text that look like phone numbers."""
    if _PLAIN_MOBILE.fullmatch(text):
        return [text]
    ascii_digits = number_signs.as_ascii(text)
    if not _may_contain_numbers(ascii_digits):
        return []
    ascii_digits = number_signs.join_halves(
        number_signs.without_signs(ascii_digits, is_after_id_word), is_after_call_word
    )
    spans = list(_spans(ascii_digits))
    short = short_codes.find(ascii_digits, ascii_digits.lower(), [end for _, end in spans])
    if short:
        alone = [span for span in short if not any(start <= span[0] < end for start, end in spans)]
        spans = sorted([*spans, *alone])
    return [text[start:end] for start, end in spans]


def context_before(text: str) -> str:
    """Return the end of a text that decides whether digits after the text are a number to call; may be empty."""
    line = line_before(text, len(text))
    patterns = (AFTER_CALL_WORD, AFTER_SMS_TO, AFTER_SENT_TO, AFTER_ID_WORD, AFTER_CURRENCY, AFTER_AMOUNT_WORD)
    matches = (pattern.search(line) for pattern in patterns)
    return next((match[0] for match in matches if match), named_number(line) or "")


def is_to_call(context: str) -> bool:
    """Return whether digits after a context, from ``context_before``, are a number to call or to send an SMS to."""
    patterns = (AFTER_CALL_WORD, AFTER_SMS_TO, AFTER_SENT_TO)
    return any(pattern.search(context) for pattern in patterns)


def _may_contain_numbers(text: str) -> bool:
    if not _THREE_DIGITS.search(text):  # one search finds names and words
        return False
    if _EIGHT_DIGITS.search(text) and _MAYBE_ALONE.search(text):
        return True
    if number_signs.has_sign_after_code(text):
        return True
    lower = text.lower()
    if text.isascii() and lower == text.upper():  # a text without a letter has no word to call
        return False
    if (_SIX_DIGITS.search(text) or number_signs.has_halves(text)) and (
        _CALL_WORD.search(lower) or "sms " in lower or "send " in lower
    ):
        return True
    return short_codes.may_contain(text, lower)


def _spans(text: str) -> Iterator[tuple[int, int]]:
    end_of_last = -1
    for match in _RUN.finditer(text):
        run = _Run(text, match.start(), [group.span() for group in _GROUP.finditer(text, match.start(), match.end())])
        first, end_before = 0, end_of_last
        while first < len(run.groups):
            if _is_amid_single_digits(run.groups, first):
                first += 1
                continue
            last = _last_group(run, first, end_of_last)
            if last is None:
                first += 1
                continue
            start, end_of_last = _start(run, first), run.groups[last][1]
            is_in_brackets = text[start] == "(" and ")" not in text[start:end_of_last]
            yield start + is_in_brackets, end_of_last
            first = last + 1
        if end_of_last == end_before and _is_unknown_number(run):
            end_of_last = run.groups[-1][1]
            yield run.start, end_of_last


def _is_unknown_number(run: _Run) -> bool:
    """Say whether a run after a word to call is a number of no known form, such as a mistyped or foreign number."""
    before = line_before(run.text, run.start)
    if not AFTER_CALL_WORD.search(before) or AFTER_ID_WORD.search(before) or AFTER_CURRENCY.search(before):
        return False
    sizes = [end - begin for begin, end in run.groups]
    digits = "".join(run.text[slice(*group)] for group in run.groups)
    if not number_forms.may_be_unknown(digits, sizes) or _UNIT.match(run.text, run.groups[-1][1]):
        return False
    is_after_case, is_before_case = _AFTER_CASE.search(before), _CASE_AFTER.match(run.text, run.groups[-1][1])
    if (is_after_case and is_before_case) or (len(sizes) == 1 and (is_after_case or is_before_case)):
        return False
    return _may_end(run, 0, len(run.groups) - 1) and number_neighbours.may_begin(
        run.text, run.start, group_before=None, end_of_number_before=-1
    )


def _is_amid_single_digits(groups: list[tuple[int, int]], first: int) -> bool:
    return 0 < first < len(groups) - 1 and all(end - begin == 1 for begin, end in groups[first - 1 : first + 2])


def _last_group(run: _Run, first: int, end_of_last: int) -> int | None:
    """Return the index of the last group of a number that begins with a group; None if no number begins there."""
    groups, candidates, digits = run.groups, [], ""
    for last in range(first, min(first + _MAX_GROUPS, len(groups))):
        digits += run.text[slice(*groups[last])]
        if len(digits) > _MAX_DIGITS or (last > first and _begins_something_else(run, last)):
            break
        if _LIKE_A_NUMBER.fullmatch(digits) and _may_end(run, first, last):
            candidates.append((last, digits))
    group_before = groups[first - 1] if first else None
    start = _start(run, first)
    if not candidates or not number_neighbours.may_begin(
        run.text, start, group_before=group_before, end_of_number_before=end_of_last
    ):
        return None
    before = line_before(run.text, start)
    is_next = end_of_last > 0 and run.text[end_of_last:start].strip() in _BETWEEN_NUMBERS
    candidates.sort(key=lambda candidate: (_ends_sentence(run, candidate[0]), candidate[0]))
    for last, digits in reversed(candidates):
        sizes = [end - begin for begin, end in groups[first : last + 1]]
        if _is_part_of_card(groups, first, last):
            continue
        end = groups[last][1]
        if set(sizes) == {1} and not _are_alone(groups, first, last):
            continue
        is_next_local = is_next and len(digits) > MIN_LOCAL_DIGITS and number_forms.LOCAL.fullmatch(digits) is not None
        written = run.text[start:end]
        is_called = sizes == [4, 4] and _CALL_AFTER.match(run.text, end) and not AFTER_ID_WORD.search(before)
        if not (is_next_local or _is_number(digits, sizes, before, written, is_before_call_word=bool(is_called))):
            continue
        is_reached = _REACHED_BEFORE.search(before)
        is_quantity = (
            _UNIT.match(run.text, end)
            or _DATED.match(run.text, end)
            or (_DONE_AFTER.match(run.text, end) and not is_reached)
            or _HOURS.match(run.text, start)
            or _is_amount(before, len(digits))
        )
        is_case = _AFTER_CASE.search(before) and _CASE_AFTER.match(run.text, end) and not is_reached
        if not is_case and (not is_quantity or AFTER_CALL_WORD.search(before)):
            return last
    return None


def _is_amount(before: str, digits: int) -> bool:
    """Say whether the text before some digits ends with a word after which so many digits are an amount."""
    word = AFTER_AMOUNT_WORD.search(before)
    return word is not None and (digits < MIN_DIGITS_OF_NO_AMOUNT or not (word["short"] and word["phrase"]))


def _ends_sentence(run: _Run, index: int) -> bool:
    """Say whether a full stop and a blank are after a group, as in ``Call 18001234. 500 seats are left``."""
    end = run.groups[index][1]
    return run.text.startswith(".", end) and run.text[end + 1 : end + 2].isspace()


def _begins_sentence(run: _Run, index: int) -> bool:
    """Say whether a group begins a sentence with a count or a day: ``022 6786 7777. 30 days``."""
    start, end = run.groups[index]
    return end - start <= 2 and _ends_sentence(run, index - 1)


def _begins_something_else(run: _Run, index: int) -> bool:
    """Say whether a group after the first belongs to no number: it begins a note, a sentence or ``24x7``."""
    is_round_the_clock = _ROUND_THE_CLOCK.match(run.text, run.groups[index][0]) is not None
    return is_round_the_clock or _begins_note(run, index) or _begins_sentence(run, index)


def _begins_note(run: _Run, index: int) -> bool:
    """Say whether a group begins a note in brackets, as in ``1800-11-2024 (9 AM to 6 PM)``."""
    start, end = run.groups[index]
    return "(" in run.text[run.groups[index - 1][1] : start] and run.text[end : end + 1] != ")"


def _is_part_of_card(groups: list[tuple[int, int]], first: int, last: int) -> bool:
    """Say whether groups belong to a row of four or more groups of four digits, as on a card."""
    around = groups[max(0, first - 1) : last + 2]
    return len(around) > max(3, last + 1 - first) and all(end - begin == 4 for begin, end in around)


def _are_alone(groups: list[tuple[int, int]], first: int, last: int) -> bool:
    """Say whether no further single digit stands beside the single digits from first to last: ``9 8 7 6 …``."""
    around = [*groups[max(0, first - 1) : first], *groups[last + 1 : last + 2]]
    return all(end - begin > 1 for begin, end in around)


def _may_end(run: _Run, first: int, last: int) -> bool:
    has_more_groups = last + 1 < len(run.groups)
    return number_neighbours.may_end(run.text, _start(run, first), run.groups[last], has_more_groups=has_more_groups)


def _start(run: _Run, first: int) -> int:
    """Return the position at which a number begins: at the plus or the bracket, if there is one."""
    start = run.groups[first][0]
    while start > run.start and run.text[start - 1] in "+(":
        start -= 1
    return start


def _is_number(digits: str, sizes: list[int], before: str, written: str, *, is_before_call_word: bool = False) -> bool:
    """Say whether digits are a phone number.

    Args:
        digits: only the digits.
        sizes: the number of digits in each written group.
        before: the text before the number.
        written: the written number.
        is_before_call_word: whether a word to call is after the number, and no word for an id before the number.
    """
    if written.startswith("+") and not digits.startswith("91"):
        return number_forms.is_foreign(digits)
    if AFTER_CURRENCY.search(before):
        return False
    after_sent = AFTER_SMS_TO if len(digits) == PIN_DIGITS else AFTER_SENT_TO
    is_after_word = AFTER_CALL_WORD.search(before) or after_sent.search(before)
    to_call = is_before_call_word or is_after_word is not None
    is_id = AFTER_ID_WORD.search(before) is not None and not number_forms.has_groups_of_no_id(digits, sizes)
    may_call = _AFTER_SENTENCE.search(before) or AFTER_BOOKING_WORD.search(before)
    if is_id and may_call and number_forms.has_groups_of_mobile(digits, sizes):
        is_id = False
    if _PLAIN_MOBILE.fullmatch(written) and named_number(before):
        is_id = True
    if not to_call and (is_id or _AMOUNT.fullmatch(written)):
        return False
    if not to_call and len(digits) in _SIZES_OF_LOCAL:
        to_call = AFTER_CALL_WORD_AND_NAME.search(before) is not None
    return number_forms.has_form(digits, sizes, written, to_call=to_call)
