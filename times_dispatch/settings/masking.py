"""Hides phone numbers and logins in texts; the module is separate, because ``logs`` is slow to import."""

import re

_MOBILE = re.compile(
    r"(?<![0-9A-Za-z])"
    r"(?:\+?91[ -]?|0)?[6-9][0-9]{4}[ -]?[0-9]{5}(?![0-9A-Za-z])"  # an Indian number, as people write it
    r"|\+[1-9][0-9]{7,14}(?![0-9A-Za-z])"  # E.164
)
_LOGIN = re.compile(r"(?<=://)[^/\s@]+@")


def mask(number: str) -> str:
    """Hide the middle of a phone number: ``9198*****210``. If the number has fewer than ten digits, hide all digits."""
    digits = number.removeprefix("+")
    plus = number[: len(number) - len(digits)]
    if len(digits) < 10:
        return plus + "*" * len(digits)
    return f"{plus}{digits[:4]}{'*' * (len(digits) - 7)}{digits[-3:]}"


def mask_text(text: str) -> str:
    """Hide everything like a mobile number, and the logins of URLs, in a text that should contain neither."""
    if "://" in text:
        text = _LOGIN.sub("***@", text)
    return _MOBILE.sub(lambda match: mask(re.sub("[ -]", "", match[0])), text)
