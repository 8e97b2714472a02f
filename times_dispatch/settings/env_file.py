"""The file ``.env`` beside the settings file: variables that need not be in the environment, see ``dispatch init``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from times_dispatch.bounded_file import read_bounded_text
from times_dispatch.settings.errors import SettingsInvalid

NAME: Final = ".env"
_FILE: Final = "_FILE"


def with_env_file(
    variables: Mapping[str, str], settings_path: Path, *, needed: str | tuple[str, ...] = ""
) -> dict[str, str]:
    """Return variables together with those of ``.env`` in the folder of the settings file.

    A variable of the environment overrides the file, also if one of the two is given as ``NAME_FILE``. A relative path
    in a ``NAME_FILE`` of the file begins at the file's folder.

    Args:
        variables: the environment.
        settings_path: the path of the settings file, which need not exist.
        needed: how the names of the variables begin that the caller needs; a mistake in another variable is ignored.

    Raises:
        SettingsInvalid: the file is there and cannot be read.
    """
    path = settings_path.parent / NAME
    try:
        content = read_bounded_text(path)
    except FileNotFoundError:
        return dict(variables)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is not UTF-8"
        raise SettingsInvalid([f"{path}: cannot be read: {reason.lower()}"]) from error
    from honcho.environ import parse  # noqa: PLC0415  # only a file needs it

    of_file = dict[str, str]()
    for line in content.splitlines():
        try:
            of_file |= parse(line)
        except ValueError as error:  # a quote is not closed
            if _name(line).startswith(needed):
                raise SettingsInvalid([f"{path}: cannot be read: {str(error).lower()}"]) from error
    cut = [_name(line) for line in content.splitlines() if _is_cut(line)]
    if cut := [name for name in cut if name.startswith(needed)]:
        raise SettingsInvalid([f"{path}: {name}: a value with a blank or # stands in quotes" for name in cut])
    given = {name.removesuffix(_FILE) for name, value in variables.items() if value}
    added = {
        name: str(path.parent / value) if name.endswith(_FILE) and value else value
        for name, value in of_file.items()
        if name.removesuffix(_FILE) not in given
    }
    return {**variables, **added}


def _name(line: str) -> str:
    return line.partition("=")[0].strip()


def _is_cut(line: str) -> bool:
    """Say whether the value of a line would silently lose its end: it has a blank or # and no quotes."""
    name, equals, value = line.strip().partition("=")
    value = value.strip()
    is_plain = not name.startswith("#") and bool(equals) and not value.startswith(("'", '"'))
    return is_plain and any(character in value for character in " \t#")
