"""A TOML file whose validation reports all mistakes together, each with its line."""

import re
import tomllib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import tomlkit
from pydantic import BaseModel, ValidationError
from tomlkit.container import OutOfOrderTableProxy
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AbstractTable, AoT, Item

from times_dispatch.bounded_file import read_bounded
from times_dispatch.bounded_mistakes import MAX_MISTAKES
from times_dispatch.settings.errors import SettingsInvalid
from times_dispatch.settings.toml.strict_table import TomlPath, replace_old_names
from times_dispatch.settings.toml.value_errors import describe_error

ModelT = TypeVar("ModelT", bound=BaseModel)

_LONG_KEY = re.compile(r"""(?<![\w"'.-])(?:[\w"'-]++[ \t]*\.[ \t]*){50}""")
"""The parser's time for a key grows with the square of the number of the key's parts."""
_MARKER = "times-dispatch:here"
_MAX_LINES_SEARCHED = 2 * MAX_MISTAKES
"""The maximum number of searches for a line, each of which writes the whole file: enough for the shown mistakes and as
many warnings.
"""


class Document:
    """The content of one TOML file, and the line of each value."""

    def __init__(self, name: str, text: str) -> None:
        """Parse *text*; raise ``SettingsInvalid`` with the line of a syntax error."""
        self.name = name
        self.warnings: list[str] = []
        """One line for each setting that the file gives under its old name; ``replace_old_names`` adds the lines."""
        self._text = text
        self._old_keys: dict[TomlPath, str | int] = {}
        """The last key of a setting's path in the file, by the path with the setting's new name."""
        self._lines_searched = 0
        if _LONG_KEY.search(text):
            raise SettingsInvalid([f"{name}: is nested too deeply: a key has more than 50 parts"])
        try:
            self.data: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise SettingsInvalid([self._syntax_mistake(str(error))]) from None
        except RecursionError:
            raise SettingsInvalid([f"{name}: is nested too deeply"]) from None

    @classmethod
    def read(cls, path: Path) -> "Document":
        """Read a file in UTF-8, with or without a byte order mark; raise ``SettingsInvalid`` if this fails."""
        try:
            raw = read_bounded(path)
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
        """Validate the whole file, which may have old names of settings.

        Returns:
            The model and no mistakes, or None and every mistake.
        """
        mistakes = self.replace_old_names(model)
        try:
            valid = model.model_validate(self.data)
        except ValidationError as invalid:
            errors = invalid.errors(include_url=False)
            described = [self.mistake(error["loc"], describe_error(error, model)) for error in errors[:MAX_MISTAKES]]
            # Further mistakes are counted, and not shown: see ``bounded_mistakes``.
            return None, mistakes + described + ["another mistake"] * (len(errors) - len(described))
        return (None if mistakes else valid), mistakes

    def replace_old_names(self, model: type[BaseModel], path: TomlPath = ()) -> list[str]:
        """Replace the old names of settings in ``data`` with their new names, and add a warning for each.

        Args:
            model: the model of the table at *path*.
            path: the path of the table; the whole file if it is empty.

        Returns:
            A mistake for each setting that the file gives under both names.
        """
        table: Any = self.data
        for key in path:
            table = table[key]
        if not isinstance(table, dict):
            return []
        mistakes = []
        for old in replace_old_names(model, table, path):
            if old.is_given_twice:
                mistakes.append(self.mistake(old.path, f"is the old name of {old.new_name}, which is given as well"))
            else:
                self.warnings.append(self.mistake(old.path, f"is an old name; write {old.new_name}"))
                self._old_keys[(*old.path[:-1], old.new_name)] = old.path[-1]
        return mistakes

    def mistake(self, path: TomlPath, reason: str) -> str:
        """Return a line such as ``dispatch.toml:12: senders.TIMESM.rate_per_s: must be above 0, is -3``."""
        path = self._path_in_file(tuple(key for key in path if key != "[key]"))  # pydantic's marker for a wrong key
        line = self.line(path)
        where = f"{self.name}:{line}" if line else self.name
        return f"{where}: {'.'.join(map(str, path))}: {reason}"

    @cached_property
    def _layout(self) -> tomlkit.TOMLDocument | None:
        """The file with its layout; None if the parser of the layout refuses the file, although tomllib accepts it.

        Without the layout, messages have a path and no line.
        """
        try:
            return tomlkit.parse(self._text)
        except (TOMLKitError, RecursionError):
            return None

    def line(self, path: TomlPath) -> int | None:
        """Return the line of a value; if the value is missing, the line of the innermost table on its path, or None.

        A parser that keeps the layout of the file adds a unique comment to the value and writes the file again; the
        line of the comment is the line of the value. A search for the key's name could find another key.
        """
        if self._lines_searched >= _MAX_LINES_SEARCHED:
            return None  # no further mistake is shown
        self._lines_searched += 1
        document = self._layout
        if document is None:
            return None
        path = self._path_in_file(path)
        for depth in range(len(path), 0, -1):
            for item in _with_content(_item(document, path[:depth])):
                trivia = item.trivia
                comment = trivia.comment_ws, trivia.comment
                item.comment(_MARKER)
                before, marker, _ = document.as_string().partition(_MARKER)
                trivia.comment_ws, trivia.comment = comment
                if marker:
                    line_breaks = 0 if isinstance(item, AbstractTable) else item.as_string().count("\n")
                    return before.count("\n") + 1 - line_breaks
        return None

    def _path_in_file(self, path: TomlPath) -> TomlPath:
        """Return a path with the old name of each setting that the file gives under its old name."""
        return tuple(self._old_keys.get(path[: index + 1], key) for index, key in enumerate(path))

    def _syntax_mistake(self, message: str) -> str:
        position = re.search(r" \(at line (\d+), column \d+\)$", message)
        line = int(position[1]) if position else self._text.count("\n") + 1
        reason = message[: position.start()] if position else message.removesuffix(" (at end of document)")
        return f"{self.name}:{line}: is not TOML: {reason[:1].lower()}{reason[1:]}"


def _item(container: Any, path: TomlPath) -> Any:
    item = container
    for key in path:
        try:
            inner = item.item(key) if hasattr(item, "item") else item[key]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
        if isinstance(item, OutOfOrderTableProxy) and isinstance(inner, bool):
            # The proxy converts a boolean to Python's own, which has no position in the file.
            inner = next(part.item(str(key)) for part in item._tables if key in part)
        item = inner
    return item


def _with_content(item: Any) -> Iterator[Item]:
    """Yield an item and all items inside the item, because a table may have no heading."""
    if isinstance(item, Item):
        yield item
    if isinstance(item, OutOfOrderTableProxy):
        # The table has several parts in the file, such as [a.b] before [a]; at most one part has the table's heading.
        yield from (part for part in item._tables if not part.is_super_table())
    if isinstance(item, AoT):
        for table in item:
            yield from _with_content(table)
    elif isinstance(item, AbstractTable | OutOfOrderTableProxy):
        for key in item:
            yield from _with_content(_item(item, (key,)))
