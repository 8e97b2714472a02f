"""The base class of all tables in TOML files, and the replacement of old names of settings."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple, get_args, get_origin

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

TomlPath = tuple[str | int, ...]
"""The keys that lead to a value: ``("senders", "TIMESM", "rate_per_s")``. A number is an index in an array, from 0."""


class StrictTable(BaseModel):
    """A table of a TOML file: no value is converted to another type, and an unknown key is a mistake."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    RENAMED: ClassVar[Mapping[str, str]] = {}
    """The new name of each renamed setting, by the old name; ``replace_old_names`` reads this table."""


class OldName(NamedTuple):
    """A setting that a file gives under its old name."""

    path: TomlPath
    """The path of the setting, which ends with the old name."""
    new_name: str
    is_given_twice: bool
    """Whether the file gives the new name as well."""


def replace_old_names(model: type[BaseModel], data: dict[str, Any], path: TomlPath = ()) -> list[OldName]:
    """Replace the old names of settings in a parsed table, and in the tables inside it, with their new names.

    If a table has both names of a setting, the value under the new name stays.

    Args:
        model: the model that describes the table.
        data: the content of the table, which is changed in place.
        path: the path of the table in its file.

    Returns:
        The old names that were replaced, in the order in which the model lists the tables.
    """
    old_names = []
    for old_name, new_name in getattr(model, "RENAMED", {}).items():
        if old_name in data:
            old_names.append(OldName((*path, old_name), new_name, new_name in data))
            value = data.pop(old_name)
            data.setdefault(new_name, value)
    for name, setting in settings_of(model).items():
        if name in data:
            for inner_model, inner_data, inner_path in _tables(setting.annotation, data[name], (*path, name)):
                old_names += replace_old_names(inner_model, inner_data, inner_path)
    return old_names


def settings_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the settings of a table, by their names in a file."""
    return {setting.alias or name: setting for name, setting in model.model_fields.items()}


def _tables(annotation: Any, value: Any, path: TomlPath) -> Iterator[tuple[type[BaseModel], dict[str, Any], TomlPath]]:
    """Yield the tables in a setting: one table, or several tables by name, as in ``[senders.HEADER]``."""
    if not isinstance(value, dict):
        return
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, value, path
    elif get_origin(annotation) is dict:
        for key, inner in value.items():
            yield from _tables(get_args(annotation)[1], inner, (*path, key))
