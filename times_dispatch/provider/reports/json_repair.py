"""Repairs the JSON of programs that write it by hand or by templates."""

import json
import re
from typing import Final

_AROUND_JSON: Final = "\0\x1a\x1e \t\r\n"
"""Characters that programs put around JSON: the zero byte of C, the end of a file of DOS, and the separator of
RFC 7464."""
_BEGINS_JSON: Final = ("[", "{", '"', "'")
_ESCAPE: Final = re.compile(r'(\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))|\\')
"""An escape of JSON, as the group, or the backslash of any other escape."""
_LAST_COMMA: Final = re.compile(r'("(?:[^"\\]|\\.)*+(?:"|\\?\Z))|,(?=[ \t\r\n]*+[]}])', re.DOTALL)
"""A string, as the group, or the comma after the last value of an array or object."""
_PYTHON_TOKEN: Final = re.compile(
    r"""("(?:[^"\\]|\\.)*+(?:"|\\?\Z))|'((?:[^'\\]|\\.)*+)(?:'|\\?\Z)|\b(?:None|True|False)\b""", re.DOTALL
)
"""A string of JSON, a string in single quotes as the second group, or a word of Python. A string without an end matches
to the end of the text, so that no search begins inside it."""
_SIGN_IN_QUOTES: Final = re.compile(r'\\.|"', re.DOTALL)
_IN_DOUBLE_QUOTES: Final = {r"\'": "'", '"': '\\"'}
_WORDS_OF_PYTHON: Final = {"None": "null", "True": "true", "False": "false"}
_DECODER: Final = json.JSONDecoder(strict=False, parse_constant=lambda _: None)
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


class JsonBroken(ValueError):
    """A text is no JSON, even after repairs."""


def repair_json(body: bytes) -> bytes:
    r"""Return repaired JSON, without a byte order mark, bad UTF-8, unpaired surrogates, bare line breaks, \' or NaN.

    A comma after the last value of an array or object is left out too, and strings in single quotes are read. Providers
    never repeat a POST that was answered with a 4xx, so one such row would lose all rows of the body.

    Raises:
        JsonBroken: the body is no JSON, even after repairs.
    """
    try:
        text = body.decode("utf-8-sig", "replace").strip(_AROUND_JSON)
        try:
            document, end = _DECODER.raw_decode(text)
        except ValueError:
            if not text.startswith(_BEGINS_JSON):
                raise  # a form or a text: the search for mistakes in a mebibyte would hold up all threads
            document, end = _load_repaired(text), len(text)
        if end < len(text):  # several documents: a search for mistakes would not make one of them
            raise JsonBroken
        # One call of json.dumps would block all other threads for tens of milliseconds.
        return "".join(_ENCODER.iterencode(document)).encode("utf-8", "replace")
    except (ValueError, RecursionError):
        raise JsonBroken from None


def _load_repaired(text: str) -> object:
    try:
        return _load_without_bad_signs(text)
    except ValueError:
        if "'" not in text:
            raise
        return _load_without_bad_signs(_PYTHON_TOKEN.sub(_in_json, text))


def _load_without_bad_signs(text: str) -> object:
    if "\\" in text:
        text = _ESCAPE.sub(lambda escape: escape[1] or r"\\", text)
    text = _LAST_COMMA.sub(lambda match: match[1] or "", text)
    return _DECODER.decode(text)


def _in_json(token: re.Match[str]) -> str:
    if token[1] is not None:
        return token[1]
    if token[2] is None:
        return _WORDS_OF_PYTHON[token[0]]
    return '"' + _SIGN_IN_QUOTES.sub(lambda sign: _IN_DOUBLE_QUOTES.get(sign[0], sign[0]), token[2]) + '"'
