"""The kind of a key of Redis: its name without the sender, the campaign and the numbers in it."""

import re

STUB = "{sender}:c:<campaign>, archived"
"""The kind of the stub that stays in Redis for an archived campaign."""
CAMPAIGN = "{sender}:c:<campaign>"

_SENDER = re.compile(r"^\{[A-Z]{3,6}\}")
_CAMPAIGN = re.compile(r":c:[0-9a-z]{8}(?=:|$)")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DIGEST = re.compile(r"(?<=:)[0-9a-f]{12,}")
_NUMBER = re.compile(r"\d+")
_PROCESS = re.compile(r"^(\{processes\}:p:[a-z]+):.*")

KEPT = (
    "campaigns",
    "submissions",
    "{alerts}:ended",
    "{opt_outs}",
    "{processes}:memory",
    "{processes}:p",
    "{sender}:archived",
    "{sender}:erased",
    "{sender}:trail",
    "{sender}:minutes",
    "{sender}:search",
    "{sender}:statistics",
    STUB,
)
"""The beginnings of kinds that are kept permanently or for days: they may grow with the number of campaigns."""


def kind_of(key: str) -> str:
    """Return the kind of a key: ``{SOAKA}:c:diwali01:m:7`` is ``{sender}:c:<campaign>:m:#``."""
    key = _PROCESS.sub(r"\1", key)
    key = _CAMPAIGN.sub(":c:<campaign>", _SENDER.sub("{sender}", key))
    return _NUMBER.sub("#", _DIGEST.sub("#", _UUID.sub("#", key)))


def is_kept(kind: str) -> bool:
    """Return whether keys of this kind are kept permanently or for days."""
    return kind.startswith(KEPT)
