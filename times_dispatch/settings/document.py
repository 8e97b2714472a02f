"""A TOML file that can say on which line each of its values stands, and is checked with every mistake named at once."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import tomlkit
from pydantic import BaseModel, ValidationError
from tomlkit.container import OutOfOrderTableProxy
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AbstractTable, AoT, Item

from times_dispatch.settings.errors import SettingsInvalid, in_words
from times_dispatch.settings.strict_table import TomlPath, replace_old_names

ModelT = TypeVar("ModelT", bound=BaseModel)

_MARK = "times-dispatch:here"


class Document:
    """The content of one TOML file, and where each part of it stands."""

    def __init__(self, name: str, text: str) -> None:
        """Parse *text*; raise SettingsInvalid with the line of a syntax error."""
        self.name = name
        self.warnings: list[str] = []
        """One line for each setting that the file gives under its old name; ``replace_old_names`` fills it."""
        self._text = text
        self._old_keys: dict[TomlPath, str | int] = {}
        """The last key of a setting's path in the file, by the path with the setting's new name."""
        try:
            self.data: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise SettingsInvalid([self._syntax_mistake(str(error))]) from None

    @classmethod
    def read(cls, path: Path) -> "Document":
        """Read UTF-8, with or without a byte order mark; raise SettingsInvalid if that cannot be done."""
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            raise SettingsInvalid([f"{path}: there is no such file"]) from None
        except OSError as error:
            raise SettingsInvalid([f"{path}: cannot be read: {(error.strerror or 'unknown reason').lower()}"]) from None
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            raise SettingsInvalid([f"{path}:{line}: is not UTF-8; save the file as UTF-8"]) from None
        return cls(str(path), text)

    def check(self, model: type[ModelT]) -> tuple[ModelT | None, list[str]]:
        """Validate the whole file, also with old names of settings.

        Returns:
            The model and no mistakes, or None and every mistake.
        """
        mistakes = self.replace_old_names(model)
        try:
            valid = model.model_validate(self.data)
        except ValidationError as invalid:
            errors = invalid.errors(include_url=False)
            return None, mistakes + [self.mistake(error["loc"], in_words(error, model)) for error in errors]
        return (None if mistakes else valid), mistakes

    def replace_old_names(self, model: type[BaseModel], path: TomlPath = ()) -> list[str]:
        """Put the new names of settings in place of their old ones in ``data``, with a warning for each.

        Args:
            model: the model of the table at *path*.
            path: the path of the table; the whole file if it is empty.

        Returns:
            A mistake for each setting that the file gives under both names.
        """
        table: Any = self.data
        for key in path:
            table = table[key]
        mistakes = []
        for old in replace_old_names(model, table, path):
            if old.is_given_twice:
                mistakes.append(self.mistake(old.path, f"is the old name of {old.new_name}, which is given as well"))
            else:
                self.warnings.append(self.mistake(old.path, f"is an old name; write {old.new_name}"))
                self._old_keys[(*old.path[:-1], old.new_name)] = old.path[-1]
        return mistakes

    def mistake(self, path: TomlPath, reason: str) -> str:
        """Write a mistake as ``dispatch.toml:12: senders.TIMESM.rate_per_s: must be above 0, is -3``."""
        path = self._path_in_file(tuple(key for key in path if key != "[key]"))  # pydantic's mark: the key is wrong
        line = self.line(path)
        where = f"{self.name}:{line}" if line else self.name
        return f"{where}: {'.'.join(map(str, path))}: {reason}"

    def line(self, path: TomlPath) -> int | None:
        """Find the line of a value, or else of the table that it should be in; None if that has no line either.

        The value is given a comment that stands nowhere else, the file is written out, and the comment looked for:
        a parser that keeps the layout knows what a search for the key's name could only guess.
        """
        try:
            document = tomlkit.parse(self._text)
        except TOMLKitError:
            return None  # tomllib took it, so this is a difference between the two; the path alone must do
        path = self._path_in_file(path)
        for depth in range(len(path), 0, -1):
            for item in _with_content(_item(document, path[:depth])):
                item.comment(_MARK)
                before, mark, _ = document.as_string().partition(_MARK)
                if mark:
                    height = 0 if isinstance(item, AbstractTable) else item.as_string().count("\n")
                    return before.count("\n") + 1 - height
        return None

    def _path_in_file(self, path: TomlPath) -> TomlPath:
        """Return a path with the old name of each setting that the file gives under its old name."""
        return tuple(self._old_keys.get(path[: index + 1], key) for index, key in enumerate(path))

    def _syntax_mistake(self, message: str) -> str:
        where = re.search(r" \(at line (\d+), column \d+\)$", message)
        line = int(where[1]) if where else self._text.count("\n") + 1
        what = message[: where.start()] if where else message.removesuffix(" (at end of document)")
        return f"{self.name}:{line}: is not TOML: {what[:1].lower()}{what[1:]}"


def _item(within: Any, path: TomlPath) -> Any:
    found = within
    for step in path:
        try:
            inner = found.item(step) if hasattr(found, "item") else found[step]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
        if isinstance(found, OutOfOrderTableProxy) and isinstance(inner, bool):
            # The proxy gives out a truth value as Python's own, which has no place in the file.
            inner = next(part.item(str(step)) for part in found._tables if step in part)
        found = inner
    return found


def _with_content(item: Any) -> Iterator[Item]:
    """Yield the item and, since a table may have no heading of its own, what is in it."""
    if isinstance(item, Item):
        yield item
    if isinstance(item, OutOfOrderTableProxy):
        # Its parts stand apart, [a.b] before [a]; only one of them can have its own heading.
        yield from (part for part in item._tables if not part.is_super_table())
    if isinstance(item, AoT):
        for table in item:
            yield from _with_content(table)
    elif isinstance(item, AbstractTable | OutOfOrderTableProxy):
        for key in item:
            yield from _with_content(_item(item, (key,)))
