"""A set of line numbers, small enough for millions of lines."""


class LineSet:
    """A set of line numbers that needs one bit for each line of a recipients file."""

    def __init__(self) -> None:
        self._bits = bytearray()

    def add(self, line: int) -> bool:
        """Add a line; return whether the line is new."""
        at, bit = line >> 3, 1 << (line & 7)
        if at >= len(self._bits):
            self._bits.extend(bytes(at + 1 - len(self._bits) + 4096))
        is_new = not self._bits[at] & bit
        self._bits[at] |= bit
        return is_new

    def __contains__(self, line: int) -> bool:
        at = line >> 3
        return at < len(self._bits) and bool(self._bits[at] & 1 << (line & 7))
