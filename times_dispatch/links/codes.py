"""The codes of tracked links: made and read without a lookup, and impossible to guess, forge or enumerate.

A code is 11 characters of base 62. Its plain number says which campaign of the sender, which message and which link the
code belongs to, and uses 2**48 of the 62**11 possible numbers. A keyed permutation of all 62**11 numbers turns the
plain number into the code. So no part of the code is a separate signature: a changed or invented code has a random
plain number. Of 62**11 = 5.2e19 codes, a campaign of ten million messages with one link uses ten million, so that one
of 5.2e12 invented codes is a code of the campaign. Two codes of one sender never clash, because a permutation maps no
two numbers to one.

The permutation is a Feistel network of six rounds over two halves (62**5 and 62**6 numbers) whose round function is a
keyed BLAKE2b. After six rounds, an adversary who sees q codes can tell the permutation from a random one only when q
comes near the size of a half, about 2**30 (Patarin, "Security of Random Feistel Schemes with 5 or More Rounds", 2004).
NIST's FF1 does the same with AES and ten rounds, at ten times the cost in Python.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
CODE_LENGTH: Final = 11

MAX_LINKS: Final = 5
"""The maximum number of tracked links in one message (docs/domain.md section 4)."""
MAX_NUMBER: Final = 2**20 - 1
"""The greatest number of a campaign with links; the campaigns of a sender are numbered."""
MAX_INDEX: Final = 2**25 - 1
"""The greatest index of a message in a campaign with links."""

_LINK_BITS: Final = 3
_INDEX_BITS: Final = 25
_PLAIN_NUMBERS: Final = 2**48
_LEFT: Final = 62**5
_RIGHT: Final = 62**6
_ROUNDS: Final = 6
_ROUND_BYTES: Final = 16
_HALF_BYTES: Final = 5

_PAIRS: Final = [first + second for first in ALPHABET for second in ALPHABET]
_VALUES: Final = {pair: value for value, pair in enumerate(_PAIRS)}
_DIGITS: Final = {digit: value for value, digit in enumerate(ALPHABET)}


class LinkRef(NamedTuple):
    """The link that a code names."""

    number: int
    """The number of the campaign among the sender's campaigns with links."""
    message: int
    """The message's index in its campaign, over all lanes (``index_over_lanes``)."""
    link: int
    """The number of the link among the campaign's links, from 0."""


def placeholder(link: int) -> str:
    """Return the placeholder for the code of a link in a text; a worker replaces the placeholder."""
    return "x" * (CODE_LENGTH - 1) + str(link)


def index_over_lanes(index: int, *, lane: int, lanes: int) -> int:
    """Return the index in the codes of a message, from the message's index in the campaign of its lane.

    The indexes alternate between the lanes, so the index determines the lane, and no lane needs to know the number of
    messages of other lanes. The indexes count down from the greatest index: a links process of a version without lanes
    looks for the index in the first lane, and must not find the message of another recipient there. Without lanes (one
    lane) the index stays the same.
    """
    return MAX_INDEX - (index * lanes + lane) if lanes > 1 else index


def lane_and_index(index: int, *, lanes: int) -> tuple[int, int]:
    """Return the number of the lane, and the index in the lane's campaign, from the index in a code."""
    if lanes == 1:
        return 0, index
    index, lane = divmod(MAX_INDEX - index, lanes)
    return lane, index


class LinkCodes:
    """Makes and reads the codes of one sender under a secret key of 16 to 64 bytes."""

    __slots__ = ("_round_pairs",)

    def __init__(self, key: bytes, header: str) -> None:
        """Prepare the permutation of a sender.

        Args:
            key: the link key.
            header: the sender; another sender has other codes for the same numbers.

        Raises:
            ValueError: the key has fewer than 16 or more than 64 bytes.
        """
        if not 16 <= len(key) <= 64:
            msg = f"the key of the links must have 16 to 64 bytes, has {len(key)}"
            raise ValueError(msg)
        rounds = [
            blake2b(b"%b %d " % (header.encode(), number), key=key, digest_size=_ROUND_BYTES, person=b"tracked link")
            for number in range(_ROUNDS)
        ]
        self._round_pairs = list(zip(rounds[::2], rounds[1::2], strict=True))
        """The keyed functions of the rounds, in pairs: a round that changes the left half, and the next round."""

    def make(self, number: int, index: int, link: int) -> str:
        """Return the code of a link in a message; raise ``ValueError`` for values that do not fit into a code."""
        if not (0 <= number <= MAX_NUMBER and 0 <= index <= MAX_INDEX and 0 <= link < MAX_LINKS):
            msg = f"no code for link {link} of message {index} in campaign {number}"
            raise ValueError(msg)
        left, right = divmod((number << _INDEX_BITS | index) << _LINK_BITS | link, _RIGHT)
        for left_round, right_round in self._round_pairs:
            left = (left + _hash(left_round, right)) % _LEFT
            right = (right + _hash(right_round, left)) % _RIGHT
        first, left = divmod(left, 3844 * 3844)
        second, third = divmod(left, 3844)
        fourth, right = divmod(right, 3844 * 3844)
        fifth, sixth = divmod(right, 3844)
        return ALPHABET[first] + _PAIRS[second] + _PAIRS[third] + _PAIRS[fourth] + _PAIRS[fifth] + _PAIRS[sixth]

    def parse(self, code: str) -> LinkRef | None:
        """Return the link that a code names; None if the code has another form, or if ``make`` cannot have made it.

        About one of 300,000 invented codes also gets a result. So the caller must compare the result with the
        campaigns.
        """
        try:
            left = (_DIGITS[code[0]] * 3844 + _VALUES[code[1:3]]) * 3844 + _VALUES[code[3:5]]
            right = (_VALUES[code[5:7]] * 3844 + _VALUES[code[7:9]]) * 3844 + _VALUES[code[9:]]
        except (KeyError, IndexError):
            return None
        for left_round, right_round in reversed(self._round_pairs):
            right = (right - _hash(right_round, left)) % _RIGHT
            left = (left - _hash(left_round, right)) % _LEFT
        plain = left * _RIGHT + right
        link = plain & 2**_LINK_BITS - 1
        if plain >= _PLAIN_NUMBERS or link >= MAX_LINKS:
            return None
        number, index = divmod(plain >> _LINK_BITS, MAX_INDEX + 1)
        return LinkRef(number, index, link)


def _hash(keyed: "blake2b", half: int) -> int:
    """Return the number that a round adds to the half that the round changes."""
    copy = keyed.copy()
    copy.update(half.to_bytes(_HALF_BYTES, "big"))
    return int.from_bytes(copy.digest(), "big")


class LinkCodeReader:
    """Reads codes of any sender that were made with the current link key or with the old link key."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = keys
        self._codes: dict[str, list[LinkCodes]] = {}

    def candidates(self, header: str, code: str) -> list[tuple[bytes, LinkRef]]:
        """Return the link that a code may name, for each key; the time does not depend on the code's content."""
        refs = [(key, codes.parse(code)) for key, codes in zip(self._keys, self._of(header), strict=True)]
        return [(key, ref) for key, ref in refs if ref is not None]

    def _of(self, header: str) -> list[LinkCodes]:
        if (known := self._codes.get(header)) is None:
            if len(self._codes) >= _MAX_KNOWN_HEADERS:  # any client may ask for any header
                self._codes.clear()
            known = self._codes[header] = [LinkCodes(key, header) for key in self._keys]
        return known


_MAX_KNOWN_HEADERS: Final = 1_000
