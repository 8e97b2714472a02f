"""What msgspec raises for JSON of strangers that cannot be read."""

from typing import Final

import msgspec

UNREADABLE_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""No JSON or another type, a text that is not UTF-8, or too many values in each other: three unrelated errors."""
