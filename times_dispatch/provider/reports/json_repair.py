"""Repairs the JSON of programs that write it by hand or by templates."""

import json
import re
from typing import Final

_AROUND_JSON: Final = "\0\x1a\x1e \t\r\n"
"""Characters that programs put around JSON: the zero byte of C, the end of a file of DOS, and the separator of
RFC 7464."""
_ESCAPE: Final = re.compile(r'(\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))|\\')
"""An escape of JSON, as the group, or the backslash of any other escape."""
_LAST_COMMA: Final = re.compile(r'("(?:[^"\\]|\\.)*+(?:"|\\?\Z))|,(?=[ \t\r\n]*+[]}])', re.DOTALL)
"""A string, as the group, or the comma after the last value of an array or object."""
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


class JsonBroken(ValueError):
    """A text is no JSON, even after repairs."""


def repair_json(body: bytes) -> bytes:
    r"""Return repaired JSON, without a byte order mark, bad UTF-8, unpaired surrogates, bare line breaks, \' or NaN.

    A comma after the last value of an array or object is left out too. Providers never repeat a POST that was answered
    with a 4xx, so one such row would lose all rows of the body.

    Raises:
        JsonBroken: the body is no JSON, even after repairs.
    """
    try:
        text = body.decode("utf-8-sig", "replace").strip(_AROUND_JSON)
        try:
            document = json.loads(text, strict=False, parse_constant=lambda _: None)
        except ValueError:
            text = _ESCAPE.sub(lambda escape: escape[1] or r"\\", text)
            text = _LAST_COMMA.sub(lambda match: match[1] or "", text)
            document = json.loads(text, strict=False, parse_constant=lambda _: None)
        # One call of json.dumps would block all other threads for tens of milliseconds.
        return "".join(_ENCODER.iterencode(document)).encode("utf-8", "replace")
    except (ValueError, RecursionError):
        raise JsonBroken from None
