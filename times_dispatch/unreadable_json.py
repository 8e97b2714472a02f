"""The errors that msgspec raises for JSON that cannot be read."""

from typing import Final

import msgspec

UNREADABLE_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""The errors for invalid JSON or a wrong type, for a text that is not UTF-8, and for values nested too deep."""
