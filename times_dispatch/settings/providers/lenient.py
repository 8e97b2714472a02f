"""A provider's table with mistakes: all of them, and what the rest of it describes.

What cannot be read is taken out, or replaced by something that works, so that nothing more is said of it.
"""

from copy import deepcopy
from typing import Any, NamedTuple

from pydantic import ValidationError

from times_dispatch.settings.document import Document
from times_dispatch.settings.errors import in_words
from times_dispatch.settings.providers.tables import ProviderSettings

_ADDRESS = "https://provider.invalid/"
_PAYLOAD = {"to": "$$To", "text": "$$Body", "ref": "$$MessageID"}
_ANSWERS = {"code": "code", "accepted": [0]}
_OF_PRESETS = ("method", "endpoint", "payload", "encoding", "answers")


class LenientTable(NamedTuple):
    """What could be made of a table."""

    described: ProviderSettings | None
    """None if nothing could."""
    mistakes: list[str]
    """Each at its place in the file."""
    settings: frozenset[str]
    """Those with a mistake, by name."""


def read_partly(document: Document, nickname: str, table: dict[str, Any]) -> LenientTable:
    """Read a provider's table as far as that goes."""
    mistakes = document.replace_old_names(ProviderSettings, ("providers", nickname))
    rest, wrong = deepcopy(table), set[str]()
    while True:
        before = deepcopy(rest)
        try:
            described = ProviderSettings.model_validate(rest)
        except ValidationError as invalid:
            for error in invalid.errors(include_url=False):
                place = error["loc"]
                mistakes.append(document.mistake(("providers", nickname, *place), in_words(error, ProviderSettings)))
                wrong.update(str(step) for step in place[:1])
                _mend(rest, place)
        else:
            if wrong & {"answers", "preset"}:  # what is left of them may lack what was taken out
                described = ProviderSettings.model_validate({**rest, "answers": _ANSWERS})
            return LenientTable(described, mistakes, frozenset(wrong))
        if rest == before:
            return LenientTable(None, mistakes, frozenset(wrong))


def _mend(rest: dict[str, Any], place: tuple[int | str, ...]) -> None:
    if not place:
        _mend_whole(rest)
        return
    _remove(rest, place)
    match place[0]:
        case "preset":
            for name in _OF_PRESETS:
                rest.setdefault(name, _stand_in(name, rest))
        case "method" | "endpoint" | "payload" | "encoding" | "answers" as name:
            rest.setdefault(name, _stand_in(name, rest))
        case "auth" if "oauth2" in rest:
            rest["auth"] = "oauth2"
        case "oauth2" if rest.get("auth") == "oauth2":
            rest.setdefault("oauth2", {}).setdefault("token_url", _ADDRESS)


def _mend_whole(rest: dict[str, Any]) -> None:
    """Fill in what is missing; if nothing is, authentication contradicts itself."""
    missing = [name for name in _OF_PRESETS if name not in rest and name != "endpoint" and "preset" not in rest]
    for name in missing:
        rest[name] = _stand_in(name, rest)
    if not missing:
        rest.pop("auth", None)
        rest.pop("oauth2", None)


def _remove(rest: dict[str, Any], place: tuple[int | str, ...]) -> None:
    """Take out what stands at a place; of an array all."""
    table = rest
    for step in place[:-1]:
        inner = table.get(str(step))
        if not isinstance(inner, dict):
            table.pop(str(step), None)
            return
        table = inner
    table.pop(str(place[-1]), None)


def _stand_in(name: str, rest: dict[str, Any]) -> Any:
    payload = rest.get("payload")
    match name:
        case "method":
            return "POST"
        case "endpoint":
            return _ADDRESS
        case "payload":
            return dict(_PAYLOAD)
        case "answers":
            return dict(_ANSWERS)
    pairs = payload.values() if isinstance(payload, dict) else ()
    if isinstance(payload, str) or any(not isinstance(value, str) for value in pairs):
        return "json"
    return "query" if rest.get("method") == "GET" else "form"
